local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local CHUNK = ("x"):rep(64 * 1024)
local LIMIT = 256 * 1024

-- A route with a policy; returns its connection, and the client that stops
-- reading.
local function stall(world, overflow, more)
  local route, served = { overflow = overflow, limits = { queue = LIMIT }, deflate = false }, nil
  for name, value in pairs(more or {}) do route[name] = value end
  route.open = function(conn) served = conn end
  world:ws("/", route)
  local client = world:connect "/"
  life.wait_until(function() return served end, "the connection")
  client:pause()
  return served, client
end

-- Sends until the socket takes no more: what is sent then waits in the queue.
local function fill(conn)
  for i = 1, 1000 do
    local ok, how = conn:send(CHUNK, "binary", { key = "fill " .. i })
    assert(ok, how)
    if how == "queued" then return end
    neap.sleep(0)
  end
  error "the socket is never full"
end

-- Texts that the client gets from now on.
local function start_reading(client)
  local got = {}
  neap.spawn(function()
    for data, kind in client:messages() do
      if kind == "text" then got[#got + 1] = data end
    end
  end)
  neap.sleep(0)
  client:resume()
  return got
end

-- What the client got behind the filling, once it reads again.
local function read_on(conn, client)
  local got = start_reading(client)
  life.wait_until(function() return conn:buffered() == 0 end, "the queue to leave")
  conn:send("end", "text", { key = "end" })
  life.wait_until(function() return got[#got] == "end" end, "the last message")
  got[#got] = nil
  return got
end

describe("A peer that does not read", function()
  it("loses what is new: drop_new", function()
    life.run(function(world)
      local conn, client = stall(world, "drop_new")
      fill(conn)
      local last, before = nil, neap.census().dropped
      for i = 1, 100000 do
        local ok, _, code = conn:send(tostring(i))
        if not ok then
          assert.equal("overflow", code)
          break
        end
        last = i
      end
      conn:send "lost"
      assert.equal(2, conn.dropped)
      assert.equal(2, neap.census().dropped - before)
      assert.equal("open", conn.state)
      local got = read_on(conn, client)
      assert.equal(last, #got)
      assert.equal(tostring(last), got[last])
    end)
  end)

  it("loses what is old, in order: drop_old", function()
    life.run(function(world)
      local conn, client = stall(world, "drop_old")
      fill(conn)
      for i = 1, 5000 do assert.is_true((conn:send(tostring(i)))) end
      local dropped = conn.dropped
      assert.is_true(dropped > 0)
      assert.is_true(conn:buffered() <= LIMIT)
      local got = read_on(conn, client)
      assert.equal("5000", got[#got])
      for i = #got, 2, -1 do assert.equal(tonumber(got[i]), got[i - 1] + 1) end
      assert.equal(dropped, conn.dropped)
    end)
  end)

  it("gets the newest of each key alone: latest", function()
    life.run(function(world)
      local conn, client = stall(world, "latest")
      fill(conn)
      for i = 1, 100 do
        conn:send("tide " .. i, "text", { key = "tide" })
        conn:send("wind " .. i, "text", { key = "wind" })
        conn:send("no key " .. i)
      end
      assert.equal(297, conn.dropped)
      assert.same({ "tide 100", "wind 100", "no key 100" }, read_on(conn, client))
    end)
  end)

  it("is not sent old values that a turn has overtaken: latest", function()
    life.run(function(world)
      local conn, client = stall(world, "latest", { limits = { queue = "8M" } })
      for i = 1, 100 do
        conn:send(CHUNK, "binary", { key = "fill " .. i })
        conn:send("value " .. i, "text", { key = "value" })
      end
      neap.sleep(0)
      conn:send("value 101", "text", { key = "value" })
      local got = read_on(conn, client)
      assert.equal("value 101", got[#got])
      assert.equal(101, #got + conn.dropped)
      for i = 2, #got - 1 do assert.equal("value " .. i, got[i]) end
    end)
  end)

  it("keeps a sender waiting, and costs a publish: wait", function()
    life.run(function(world)
      local conn, client = stall(world, "wait")
      conn:subscribe "all"
      fill(conn)
      repeat
        local ok, _, code = conn:send(CHUNK, "binary")
      until not ok and code == "overflow"
      assert.equal(0, conn.dropped)
      assert.equal(0, world.app:publish("all", CHUNK, "binary"))
      assert.equal(1, conn.dropped)
      local _, _, code = conn:send_wait(CHUNK, "binary", 0.02)
      assert.equal("timeout", code)
      local sent
      neap.spawn(function() sent = conn:send_wait(CHUNK, "binary") end)
      neap.sleep(0.01)
      assert.is_nil(sent)
      start_reading(client)
      life.wait_until(function() return sent end, "send_wait")
      assert.is_true(sent)
    end)
  end)

  it("is closed with 1013: close", function()
    life.run(function(world)
      local why
      local conn, client = stall(world, "close", { close = function(_, w) why = w end })
      fill(conn)
      repeat until not conn:send(CHUNK, "binary")
      neap.sleep(0)
      start_reading(client)
      life.wait_until(function() return why end, "the end")
      assert.equal("overflow 1013 1", ("%s %d %d"):format(why.cause, why.code, why.dropped))
    end)
  end)

  it("never gets half a frame", function()
    life.run(function(world)
      for _, policy in ipairs { "drop_old", "latest" } do
        local conn, client
        world.app = neap.app()
        world.listener = world.listener and world.listener:close()
        conn, client = stall(world, policy)
        fill(conn)
        for i = 1, 500 do conn:send(CHUNK:sub(1, i * 50), "binary") end
        read_on(conn, client)
        assert.equal("open", client.state)
      end
    end)
  end)

  it("costs no more than its queue, and slows nobody", function()
    life.run(function(world)
      world:ws("/", { overflow = "drop_new", limits = { queue = "64K" },
        open = function(conn) conn:subscribe "all" end })
      local clients = {}
      for i = 1, 30 do clients[i] = world:connect "/" end
      clients[1]:pause()
      local rounds, got = 1500, 0
      for i = 2, 30 do
        neap.spawn(function()
          for _ = 1, rounds do assert(clients[i]:receive(20)) end
          got = got + 1
        end)
      end
      for _ = 1, rounds do
        world.app:publish("all", CHUNK:sub(1, 4000), "binary")
        neap.sleep(0)
      end
      life.wait_until(function() return got == 29 end, "the others")
      local most = 0
      for conn in core.conns() do
        if conn.dropped then most = math.max(most, conn:buffered()) end
      end
      assert.is_true(most <= 64 * 1024)
      assert.is_true(neap.census().dropped > 0)
      assert.is_true(core.counts().frame_buffer.bytes < 400 * 1024)
    end)
  end)

  it("may hold few small messages only, since each costs memory beside its bytes", function()
    life.run(function(world)
      local conn = stall(world, "drop_old")
      fill(conn)
      for i = 1, 20000 do conn:send(tostring(i)) end
      assert.is_true(20000 - conn.dropped <= LIMIT / 128)
    end)
  end)
end)

describe("A subscription", function()
  it("has a policy of its own, whatever the route's is", function()
    life.run(function(world)
      local conn, client = stall(world, "close")
      conn:subscribe("tide", { overflow = "latest" })
      fill(conn)
      for i = 1, 5000 do world.app:publish("tide", "tide " .. i) end
      neap.sleep(0)
      assert.equal("open", conn.state)
      assert.same({ "tide 5000" }, read_on(conn, client))
    end)
  end)

  it("lets a publish name what its message replaces", function()
    life.run(function(world)
      local conn, client = stall(world, "close")
      conn:subscribe("tides", { overflow = "latest" })
      fill(conn)
      for i = 1, 50 do
        for _, place in ipairs { "Brest", "Dover" } do
          world.app:publish("tides", place .. i, "text", { key = place })
        end
      end
      assert.same({ "Brest50", "Dover50" }, read_on(conn, client))
    end)
  end)
end)

describe("The queue", function()
  it("says writable below its low mark, before it is empty", function()
    life.run(function(world)
      local marks = {}
      local conn, client = stall(world, "drop_new", { limits = { queue = "16M" },
        writable = function(conn) marks[#marks + 1] = conn:buffered() end })
      repeat
        conn:send(CHUNK, "binary")
        neap.sleep(0)
      until conn:buffered() > 9 * 2 ^ 20
      assert.same({}, marks)
      start_reading(client)
      life.wait_until(function() return conn:buffered() == 0 end, "the queue to leave")
      neap.sleep(0.01)
      assert.is_true(marks[1] <= 4 * 2 ^ 20)
      assert.is_true(marks[1] > 0)
      assert.is_true(#marks <= 2)
    end)
  end)

  it("is not full while the socket takes what a turn sends", function()
    life.run(function(world)
      local conn, client = stall(world, "close", { limits = { queue = "128K" } })
      conn:subscribe "all"
      client:resume()
      for _ = 1, 8 do
        assert.equal(1, world.app:publish("all", CHUNK, "binary"))
        assert.is_true((conn:send(CHUNK:sub(1, 9000), "binary")))
      end
      for _ = 1, 16 do assert(client:receive(5)) end
    end)
  end)

  it("lets send_wait go on when the turn has made room", function()
    life.run(function(world)
      local conn, client = stall(world, "close", { limits = { queue = "64K" } })
      client:resume()
      for _ = 1, 6 do conn:send(CHUNK:sub(1, 10000)) end
      assert.is_true((conn:send_wait(CHUNK:sub(1, 10000), "text", 5)))
      for _ = 1, 7 do assert(client:receive(5)) end
    end)
  end)

  it("ends a connection that is reset while it publishes to it", function()
    life.run(function(world)
      local causes = {}
      world:ws("/", { overflow = "drop_old", limits = { queue = "64K" },
        open = function(conn) conn:subscribe "all" end,
        close = function(_, why) causes[#causes + 1] = why.cause end })
      for _ = 1, 5 do world:connect("/"):terminate() end
      for _ = 1, 20 do world.app:publish("all", CHUNK:sub(1, 20000), "binary") end
      life.wait_until(function() return #causes == 5 end, "the ends")
      assert.equal(0, world.app:publish("all", "nobody"))
    end)
  end)
end)
