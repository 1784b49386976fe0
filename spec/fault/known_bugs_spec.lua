-- What others have had to mend, as sentences about neap: what lives too long, or not
-- long enough. Each names the thread, or the advisory; "after" stands before those
-- that are told from their effect alone, since the thread could not be read. More in
-- known_bugs_wire_spec.lua.

local bugs = require "spec.support.bugs"
local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local dial, live, serve = bugs.dial, bugs.live, bugs.serve
local wait_for_none, wait_until_open = bugs.wait_for_none, bugs.wait_until_open

describe("a bug that others had: lifetimes", function()
  it("a second close of what is closed touches nothing (uWebSockets #105)", function()
    life.run(function(world)
      local seen = serve(world, { message = function(conn)
        conn:close(4000)
        conn:close(4001)
        conn:terminate()
        conn:close()
      end })
      local client = world:connect "/"
      client:send "close twice"
      client:wait_closed(20)
      wait_for_none "stream"
      seen.conn:close()
      seen.conn:terminate()
      assert.equal(1, seen.closed)
    end)
  end)

  it("a message that can't be sent is freed (uWebSockets #489)", function()
    life.run(function(world)
      local seen = serve(world, { limits = { queue = "8M" }, deflate = false })
      local peer = dial(world)
      wait_until_open(seen)
      for _ = 1, 6 do seen.conn:send(("x"):rep(1000000), "binary") end
      assert.is_true(seen.conn:buffered() > 0)
      peer.tcp:setoption("linger", { on = true, timeout = 0 })
      peer:close()
      for _ = 1, 3 do seen.conn:send(("y"):rep(100000), "binary") end
      wait_for_none "stream"
      assert.equal(0, core.counts().frame_buffer.bytes)
    end)
  end)

  it("apps that come and go leave nothing (uWebSockets #961)", function()
    for _ = 1, 15 do
      life.run(function(world)
        serve(world)
        local client = world:connect "/"
        client:send "hello"
        assert.equal("hello", client:receive(20))
      end)
    end
  end)

  it("a close within the close handler finds it closed (uWebSockets #1320)", function()
    life.run(function(world)
      local closed, states = 0, {}
      world:ws("/", {
        message = function(conn) conn:close(4000) end,
        close = function(conn, why)
          closed = closed + 1
          conn:close(4001)
          conn:terminate()
          conn:close()
          states[closed] = { conn.state, why.code, (select(3, conn:send "late")) }
        end,
      })
      for _, finish in ipairs { "send", "close", "terminate" } do
        local client = world:connect "/"
        client[finish](client, finish == "close" and 4002 or finish == "send" and "end it" or nil)
        client:wait_closed(20)
        wait_for_none "stream"
      end
      assert.same({ { "closed", 4000, "closed" }, { "closed", 4002, "closed" },
        { "closed", 1006, "closed" } }, states)
    end)
  end)

  it("subscribers that vanish during a publish harm nobody (uWebSockets #1038)", function()
    life.run(function(world)
      local seen = serve(world, { open = function(conn) conn:subscribe "all" end, deflate = false })
      local doomed = {}
      for i = 1, 6 do doomed[i] = dial(world) end
      wait_until_open(seen, 6)
      local client = world:connect "/"
      wait_until_open(seen, 7)
      for _, peer in ipairs(doomed) do
        peer.tcp:setoption("linger", { on = true, timeout = 0 })
        peer:close()
      end
      for _ = 1, 5 do world.app:publish("all", ("x"):rep(50000)) end
      for _ = 1, 5 do assert.equal(50000, #client:receive(20)) end
      life.wait_until(function() return seen.closed == 6 end)
    end)
  end)

  it("a connection that has ended can be collected (after ws #64)", function()
    life.run(function(world)
      local seen, kept = serve(world), setmetatable({}, { __mode = "k" })
      for _ = 1, 5 do
        local client = world:connect "/"
        client:send "hello"
        assert.equal("hello", client:receive(20))
        kept[seen.conn] = true
        client:close()
        client:wait_closed(20)
      end
      wait_for_none "stream"
      seen.conn, seen.whys = nil, {}
      life.wait_until(function()
        life.collect()
        return next(kept) == nil
      end, "the collector")
    end)
  end)

  it("an error while it begins is heard of by the close (SignalR #3599)", function()
    life.quietly(function()
      life.run(function(world)
        local closed = {}
        local function close(_, why) closed[#closed + 1] = why.cause end
        local function fail() error "at the first step" end
        world:ws("/open", { open = fail, close = close })
        world:ws("/task", { close = close }, fail)
        world:ws("/gone", { open = function(conn) conn:terminate() fail() end, close = close })
        for _, path in ipairs { "/open", "/task", "/gone" } do
          for _ = 1, 5 do
            local peer <close> = dial(world, path)
            peer.tcp:setoption("linger", { on = true, timeout = 0 })
          end
          world:connect(path):wait_closed(20)
          wait_for_none "stream"
        end
        assert.equal(0, live "conn")
        assert.is_true(#closed >= 3)
      end)
    end)
  end)

  it("timers end with their connection, whatever ends it (aspnetcore #34489)", function()
    local ends = {
      function(client) client:close() end, function(client) client:terminate() end,
      function(_, seen) seen.conn:close() end, function(_, seen) seen.conn:terminate() end,
      function(client) client:send "fail" end,
    }
    life.quietly(function()
      life.run(function(world)
        local ticks = 0
        local seen = serve(world, {
          open = function(conn)
            conn:every(0.001, function() ticks = ticks + 1 end)
            conn:after(60, function() end)
          end,
          message = function() error "on purpose" end,
        })
        for _, finish in ipairs(ends) do
          local client = world:connect "/"
          life.wait_until(function() return ticks > 0 end)
          finish(client, seen)
          client:wait_closed(20)
          wait_for_none "stream"
          wait_for_none "timer"
          ticks = 0
        end
      end)
    end)
  end)

  it("a request is let go of once it is a connection (dotnet/runtime #101022)", function()
    life.run(function(world)
      local seen = serve(world)
      local clients = {}
      for i = 1, 10 do clients[i] = world:connect "/" end
      wait_until_open(seen, 10)
      life.wait_until(function()
        life.collect()
        return live "request" == 0
      end, "no request")
      assert.equal(2 * #clients, live "conn")
    end)
  end)

  it("what counts connections counts them down (tomcat CVE-2021-42340)", function()
    life.run(function(world)
      serve(world)
      local before = core.counts()
      for _ = 1, 10 do world:connect("/"):terminate() end
      wait_for_none "stream"
      local after = core.counts()
      assert.equal(after.conn.opened - before.conn.opened, after.conn.closed - before.conn.closed)
      assert.equal(0, after.conn.live)
    end)
  end)

  it("a handle that mentions itself in a callback is collected (lua-http #32)", function()
    life.quietly(function()
      life.run(function(world)
        serve(world)
        for _ = 1, 10 do
          life.forget(function()
            local conn = world:connect "/"
            conn:defer(function() return conn end)
            conn:every(60, function() conn:send "never" end)
          end)
        end
        life.wait_until(function()
          life.collect()
          return live "conn" == 0
        end, "the collector")
      end)
    end)
  end)

  it("dropped clients do not use up the descriptors (lua-http #55)", function()
    life.quietly(function()
      life.run(function(world)
        serve(world)
        local most = 0
        for _ = 1, 700 do
          life.forget(function() world:connect "/" end)
          most = math.max(most, live "stream")
        end
        assert.is_true(most <= 1024, most)
      end)
    end)
  end)

  it("a finaliser may run twice, and after the close (cqueues' finaliser)", function()
    life.run(function(world)
      local seen = serve(world)
      local client = world:connect "/"
      wait_until_open(seen)
      local finalise = debug.getmetatable(client).__gc
      client:terminate()
      finalise(client)
      finalise(client)
      assert.equal("closed", select(3, client:send "late"))
    end)
  end)

  it("a handle whose network end came first is freed all the same (hull #29)", function()
    life.run(function(world)
      local seen = serve(world)
      life.forget(function()
        local client = world:connect "/"
        wait_until_open(seen)
        seen.conn:terminate()
        client:wait_closed(20)
      end)
      seen.conn = nil
      wait_for_none "stream"
    end)
  end)

  it("a timer may close itself while it fires, and be collected (luv #437)", function()
    life.run(function()
      local fired = 0
      for _ = 1, 20 do
        local timer
        timer = neap.scope():every(0.001, function()
          fired = fired + 1
          timer:close()
          timer = nil
          life.collect()
        end)
      end
      life.wait_until(function() return fired == 20 end)
      neap.sleep(0.01)
      assert.equal(20, fired)
    end)
  end)

  it("what is closed or dropped is collected, each by itself (luv #462)", function()
    life.quietly(function()
      life.run(function(world)
        serve(world)
        local made = setmetatable({}, { __mode = "k" })
        local kept
        life.forget(function()
          kept = world:connect "/" -- closed, and the script has it
          kept:close()
          world:connect("/"):close() -- closed, and nobody has it
          made[world:connect "/"] = true -- neither
          made[kept] = true
        end)
        life.wait_until(function()
          life.collect()
          local one = next(made)
          return one and next(made, one) == nil
        end, "the collector")
        assert.is_true(made[kept])
        wait_for_none "stream"
      end)
    end)
  end)

  it("an error in a callback ends neither loop nor process (luv #663)", function()
    local lines = life.quietly(function()
      life.run(function(world)
        local is_told
        local seen = serve(world, { open = function(conn)
          conn:after(0.001, function() error "in a callback" end)
          conn:after(0.01, function() is_told = true end)
        end })
        local client = world:connect "/"
        life.wait_until(function() return is_told or seen.closed == 1 end)
        client:terminate()
      end)
    end)
    assert.matches("in a callback", lines)
  end)

  it("a callback outlives the coroutine that set it (luv #503)", function()
    life.run(function()
      local fired = 0
      local scope <close> = neap.scope()
      for _ = 1, 10 do
        coroutine.wrap(function() scope:after(0.01, function() fired = fired + 1 end) end)()
        life.collect()
      end
      life.wait_until(function() return fired == 10 end)
    end)
  end)

  it("a timer's callback may end the process, and close the state (luv #599)", function()
    for _, made in ipairs { "scope:after(0.01, finish)", "scope:every(0.01, finish)",
      "scope:spawn(function() neap.sleep(0.01) finish() end)" } do
      local status, output = life.die(([[
        local neap = require "neap"
        local timer
        local function finish()
          if timer then timer:close() end
          os.exit(5, true)
        end
        neap.run(function()
          local scope = neap.scope()
          timer = %s
          neap.sleep(60)
        end)
      ]]):format(made))
      assert.equal(5, status, output)
    end
  end)

  it("a state that ends with all of it alive closes all of it (luv #379)", function()
    local status, output = life.die [[
      local neap = require "neap"
      local app = neap.app {}
      app:ws("/", { open = function(conn) conn:every(1, function() end) end })
      neap.run(function()
        LISTENER = assert(app:listen "http://127.0.0.1:0")
        local _, port = LISTENER:address()
        CONN = assert(neap.connect("ws://127.0.0.1:" .. port .. "/"))
        TIMER = neap.scope():every(1, function() end)
      end)
      print "ends"
    ]]
    assert.equal(0, status, output)
    assert.matches("ends", output)
  end)
end)
