-- neap.client, in memory, its times moved by the specs.
local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"

local clock = neap.test.clock
local QUICK = { min = 0.01, max = 0.02, reset = 0 }

-- Serves routes in memory; fn(world, app) runs as a task, then all is gone.
local function play(routes, fn)
  life.run(function()
    local app = neap.app()
    for path, route in pairs(routes) do app:ws(path, route) end
    local world <close> = neap.test.serve(app)
    fn(world, app)
  end)
end

local function with(options)
  local merged = { reconnect = QUICK }
  for name, value in pairs(options or {}) do merged[name] = value end
  return merged
end

-- Turns the loop with a clock that runs, until done() is true.
local function run_until(done, what)
  for _ = 1, 400 do
    if done() then return end
    clock:advance(0.05)
  end
  error("waited in vain for " .. (what or "a condition"), 2)
end

local function texts(list)
  local all = {}
  for i, item in ipairs(list) do all[i] = item.data end
  return table.concat(all, " ")
end

local function echo(_, data)
  return data
end

-- A route that closes each connection with a code.
local function closing(code, reason)
  return { open = function(conn) conn:close(code, reason) end }
end

describe("a client", function()
  it("connects, sends what waited, receives, and is open", function()
    play({ ["/"] = { message = echo } }, function(world)
      local client <close> = world:client("/", with())
      assert.same({ true, "queued" }, { client:send "early" })
      assert.is_not.equal("open", client.state)
      assert(client:wait_open(5))
      assert.equal("open", client.state)
      assert.is_true(client:send("late", "binary"))
      assert.same({ "early", "text" }, { client:receive(5) })
      assert.same({ "late", "binary" }, { client:receive(5) })
      assert.is_number(client:ping())
      assert.equal("timeout", select(3, client:receive(0)))
    end)
  end)

  it("comes back, and restores the session ahead of its outbox", function()
    local seen, conns = {}, {}
    play({ ["/"] = {
      open = function(conn) conns[#conns + 1] = conn end,
      message = function(_, data) seen[#seen + 1] = data end,
    } }, function(world)
      local downs = {}
      local client <close> = world:client("/", with {
        on_up = function(conn) conn:send "subscribe" end,
        on_down = function(why) downs[#downs + 1] = why.code end,
      })
      assert(client:wait_open(5))
      client:send "one"
      run_until(function() return #seen == 2 end)
      conns[1]:close(1011)
      client:send "two"
      run_until(function() return #downs == 1 end)
      client:send "three"
      run_until(function() return seen[#seen] == "three" end)
      assert.equal("subscribe", seen[1])
      local again = #seen - 1
      while seen[again] ~= "subscribe" do again = again - 1 end
      assert.is_true(again > 1)
      assert.equal(1011, downs[1])
    end)
  end)

  it("goes on with messages over its connections, then ends", function()
    local count = 0
    play({ ["/"] = { open = function(conn)
      count = count + 1
      conn:send("from " .. count)
      if count < 4 then conn:close(1012) end
    end } }, function(world)
      local client, got = world:client("/", with()), {}
      local reader = neap.spawn(function()
        for data in client:messages() do
          got[#got + 1] = data
          if #got == 4 then client:close() end
        end
        got.ended = true
      end)
      run_until(function() return got.ended end)
      assert.same({ "from 1", "from 2", "from 3", "from 4" }, { table.unpack(got) })
      assert.equal("closed", client.state)
      assert.equal("closed", select(3, client:receive()))
      assert.equal("closed", select(3, client:send "x"))
      assert(reader)
    end)
  end)

  it("gives messages to on_message, an error in which ends nothing", function()
    play({ ["/"] = { message = echo } }, function(world)
      local lines, got = {}, {}
      log.configure { write = function(line) lines[#lines + 1] = line end }
      local client <close> = world:client("/", with {
        on_message = function(data) got[#got + 1] = data; if data == "a" then error "oops" end end,
      })
      client:send "a"
      client:send "b"
      run_until(function() return #got == 2 end)
      log.configure { write = function(line) io.stderr:write(line) end }
      assert.matches("oops", lines[1])
    end)
  end)

  it("obeys the code that the server closes with", function()
    for code, comes_back in pairs {
      [1000] = true, [4000] = true, [4499] = true, [4500] = false, [4999] = false,
    } do
      local opened = 0
      play({ ["/"] = { open = function(conn) opened = opened + 1; conn:close(code, "so") end } },
        function(world)
          local ended
          local client <close> = world:client("/", with { on_end = function(why) ended = why end })
          run_until(function() return ended or opened > 2 end)
          assert.equal(comes_back, opened > 2)
          if not comes_back then
            assert.equal(code, ended.code)
            assert.equal("so", client:wait_closed().reason)
            assert.equal("closed", client.state)
          end
        end)
    end
  end)

  it("stays away as long as it is told", function()
    for _, case in ipairs {
      { closing(1012), 5, 30 }, { closing(1013), 50, 100 }, { closing(1008), 50, 100 },
      { { accept = function(req)
        return req:reject(503, "later", { ["Retry-After"] = "40" })
      end, message = echo }, 40, 41 },
    } do
      play({ ["/"] = case[1] }, function(world)
        local why
        local client <close> = world:client("/", {
          reconnect = { min = 1, max = 100 }, on_retry = function(given) why = given end,
        })
        run_until(function() return why end)
        assert.is_true(why.seconds >= case[2] and why.seconds <= case[3], why.seconds)
        assert.equal("backoff", client.state)
        local opened = world.pipes[2]
        clock:advance(why.seconds - 2)
        assert.equal(opened, world.pipes[2])
        clock:advance(4)
        run_until(function() return world.pipes[2] end)
      end)
    end
  end)

  it("gives up at once where its credentials are refused", function()
    for _, status in ipairs { 401, 403 } do
      local function accept(req)
        return req:reject(status, "no")
      end
      play({ ["/"] = { accept = accept, message = echo } }, function(world)
        local client <close> = world:client("/", with())
        client:send "lost"
        local why = assert(client:wait_closed(10))
        assert.same({ "refused", status }, { why.cause, why.status })
        assert.equal("lost", texts(why.unsent))
      end)
    end
  end)

  it("tries again with new credentials, where headers is a function", function()
    play({ ["/"] = { accept = function(req)
      return req:header "authorization" == "3" or req:reject(401, "no")
    end, message = echo } }, function(world)
      local asked = 0
      local client <close> = world:client("/", with { headers = function()
        asked = asked + 1
        return { Authorization = asked }
      end })
      run_until(function() return client.state == "open" end)
      assert.equal(3, asked)
    end)
  end)

  it("makes one attempt only, when reconnect is false", function()
    play({ ["/"] = closing(1000) }, function(world)
      local client <close> = world:client("/", { reconnect = false })
      assert.equal(1000, client:wait_closed(10).code)
    end)
  end)

  it("refuses wrong options at the script's line", function()
    life.run(function()
      for name, wrong in pairs {
        url = "http//x", reconect = {}, outbox = "1Q", overflow = "drop", on_up = true,
        confirm = -1, resend = 1, timeouts = { ping = -1 },
      } do
        local given = { url = "ws://127.0.0.1:1" }
        given[name] = wrong
        local ok, message = pcall(neap.client, given)
        assert.is_false(ok, name)
        assert.matches("^spec/lua/client_spec%.lua:%d+: ", message)
      end
    end)
  end)
end)

describe("the outbox of a client", function()
  -- A peer that reads nothing from its second message on.
  local function deaf(seen)
    return { ["/"] = { message = function(conn, data)
      seen[#seen + 1] = data
      if #seen == 2 then conn:pause() end
    end } }
  end

  it("reports what may not have arrived, and no more", function()
    local seen = {}
    play(deaf(seen), function(world)
      local whys = {}
      local client <close> = world:client("/", with {
        confirm = 0.1, on_down = function(why) whys[#whys + 1] = why end,
      })
      assert(client:wait_open(5))
      client:send "arrived"
      run_until(function() return select(2, client:pending()) == 0 end, "the confirmation")
      client:send "second"
      run_until(function() return #seen == 2 end)
      client:send "third"
      world:cut "reset"
      run_until(function() return whys[1] end)
      assert.matches("third$", texts(whys[1].unconfirmed))
      assert.is_nil(texts(whys[1].unconfirmed):find "arrived")
    end)
  end)

  it("sends it again, if asked", function()
    local seen = {}
    play(deaf(seen), function(world)
      local whys = {}
      local client <close> = world:client("/", with {
        resend = true, on_down = function(why) whys[#whys + 1] = why end,
      })
      assert(client:wait_open(5))
      for i = 1, 4 do client:send(tostring(i)) end
      run_until(function() return #seen == 2 end)
      world:cut "reset"
      run_until(function() return seen[#seen] == "4" end)
      assert.same({}, whys[1].unconfirmed)
      assert.equal(4, whys[1].resent)
      assert.same({ "1", "2", "1", "2", "3", "4" }, seen)
    end)
  end)

  it("arrives whole ahead of the client's own close", function()
    local seen = {}
    play({ ["/"] = { message = function(_, data) seen[#seen + 1] = data end } }, function(world)
      local client = world:client("/", with())
      for i = 1, 100 do client:send(tostring(i)) end
      assert(client:wait_open(5))
      client:close()
      local why = assert(client:wait_closed(10))
      assert.same({}, why.unsent)
      assert.same({}, why.unconfirmed)
      assert.equal(100, #seen)
    end)
  end)

  it("is reported where nothing of it was sent", function()
    play({ ["/"] = { message = echo } }, function(world)
      local ended
      local client = world:client("/none", with { on_end = function(why) ended = why end })
      client:send "a"
      client:send "b"
      run_until(function() return client.state == "backoff" end)
      client:close()
      run_until(function() return ended end)
      assert.equal("a b", texts(ended.unsent))
    end)
  end)

  it("follows the overflow policy", function()
    local size = 65
    local function fill(policy, more)
      local given = with(more)
      given.overflow, given.outbox = policy, 3 * size
      local outcome
      play({ ["/"] = { message = echo } }, function(world)
        local dropped = {}
        given.on_drop = function(data) dropped[#dropped + 1] = data end
        local client <close> = world:client("/none", given)
        local codes = {}
        for letter in ("abcd"):gmatch "." do
          codes[#codes + 1] = select(3, client:send(letter))
        end
        outcome = { codes[1], table.concat(dropped) }
        client:close()
        outcome[3] = texts(client:wait_closed(5).unsent)
      end)
      return outcome
    end
    assert.same({ "overflow", "", "a b c" }, fill(nil))
    assert.same({ "overflow", "", "a b c" }, fill "drop_new")
    assert.same({ nil, "a", "b c d" }, fill "drop_old")
    assert.same({ nil, "abc", "d" }, fill "latest")
    assert.same({ "overflow", "", "a b c" }, fill "close")
  end)

  it("makes send_wait wait for room", function()
    local seen = 0
    play({ ["/"] = { message = function() seen = seen + 1 end } }, function(world)
      local client <close> = world:client("/", with { outbox = 200, confirm = 0.05 })
      local sent = 0
      local sender = neap.spawn(function()
        for _ = 1, 20 do
          assert(client:send_wait "x")
          sent = sent + 1
        end
      end)
      neap.sleep(0)
      assert.is_true(sent < 20)
      run_until(function() return sent == 20 and seen == 20 end)
      assert(sender)
    end)
  end)

  it("refuses what can never be sent", function()
    play({ ["/"] = { message = echo } }, function(world)
      local client <close> = world:client("/", with { outbox = "1K", limits = { queue = 512 } })
      assert.equal("too_big", select(3, client:send(("x"):rep(513))))
      assert.equal("protocol", select(3, client:send "\xff"))
      assert(client:send("\xff", "binary"))
    end)
  end)

  it("gets through a queue that is full, in order", function()
    local seen = {}
    play({ ["/"] = { message = function(_, data) seen[#seen + 1] = tonumber(data) end } },
      function(world)
        local client <close> = world:client("/", with { limits = { queue = 4096 } })
        for i = 1, 2000 do client:send(("%020d"):format(i)) end
        run_until(function() return #seen == 2000 end)
        for i = 1, 2000 do assert.equal(i, seen[i]) end
      end)
  end)
end)
