-- What a peer can do with frames, what it may cost, and that those beside it do
-- not notice.

local crowds = require "spec.support.crowd"
local socket = require "socket"
local tell = require "spec.support.tell"
local victims = require "spec.support.victim"
local ws = require "spec.support.ws"

-- What is measured here is a build that people run, not one under a tool.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" or os.getenv "NEAP_WRAP" then return end

local LONG = os.getenv "NEAP_LONG" ~= nil
local MEBIBYTE = 2 ^ 20
-- What Lua leaves for its next collection: how much that is hangs on when it looks.
local GARBAGE = 16 * MEBIBYTE

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app {
    timeouts = { ping = 0, close = 0.5 }, limits = { queue = "256K", message = "1M" },
  }
  app:ws("/honest", { message = function(_, data) return data end, deflate = false })
  app:ws("/echo", { message = function(_, data) return data end })
  app:ws("/sink", { message = function() end, deflate = false })
  app:ws("/topics", { message = function(conn, data) conn:subscribe(data) end, deflate = false })
  app:ws("/labels", { message = function(conn, data) conn:label(data) end, deflate = false })
  app:ws("/feed", { open = function(conn) conn:subscribe "feed" end, deflate = false })
  app:ws("/publish", { message = function(_, data) app:publish("feed", data, "binary") end,
    deflate = false, limits = { queue = "1M" } })
  app:get("/heap", function()
    collectgarbage()
    collectgarbage()
    return tostring(collectgarbage "count" * 1024)
  end)
  return app
]]

local PYTHON_BOMB = [[
import sys, zlib
packer = zlib.compressobj(9, zlib.DEFLATED, -15)
data = packer.compress(bytes(%d << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
sys.stdout.buffer.write(data[:-4])
]]

local function make_bomb(mebibytes)
  local pipe <close> = assert(io.popen(("/usr/bin/python3 -c '%s'"):format(
    PYTHON_BOMB:format(mebibytes))))
  return pipe:read "a"
end

local function heap_of(victim)
  return tonumber(ws.ask(victim.port,
    "GET /heap HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").body)
end

describe("an attack with frames", function()
  local victim, usual

  -- A machine that is busy with other things slows the honest one, too: what
  -- counts is 50 ms on top of ten times what it has in peace.
  local function check(cost, memory, cpu)
    assert.is_true(cost.memory < memory, ("%.1f MiB"):format(cost.memory / MEBIBYTE))
    assert.is_true(cost.cpu < cpu, ("%.2f s of CPU"):format(cost.cpu))
    assert.is_true(cost.p95 < 50 + 10 * usual, ("p95 of %.1f ms, usually %.1f"):format(
      cost.p95, usual))
    assert(victim:wait_until_alone(20))
    tell.result("%.1f MiB, %.3f s CPU, %d times, p95 %.2f ms (%.2f)",
      cost.memory / MEBIBYTE, cost.cpu, cost.runs, cost.p95, usual)
  end

  local function check_heap(before, most)
    local grown = heap_of(victim) - before
    assert.is_true(grown < most, ("%.1f MiB more of heap"):format(grown / MEBIBYTE))
  end

  setup(function()
    victim = victims.start(SCRIPT)
    usual = victim:measure(function() end).p95
  end)

  teardown(function() victim.server:stop "KILL" end)

  it("of fragments that are empty ends with the first thousand", function()
    local burst = ws.frame { opcode = ws.CONTINUATION, fin = false }:rep(5000)
    local cost = victim:measure(function()
      for _ = 1, 50 do
        local peer <close> = ws.connect(victim.port, "/echo")
        peer:raw(ws.frame { opcode = ws.TEXT, fin = false } .. burst)
        assert.equal(1008, (peer:read_close()))
      end
    end)
    check(cost, 4 * MEBIBYTE + GARBAGE, 1)
  end)

  it("of pongs that nobody asked for costs their parsing, and no memory", function()
    local burst = ws.frame { opcode = ws.PONG, payload = "x" }:rep(1000)
    local cost = victim:measure(function()
      local peer <close> = ws.connect(victim.port, "/echo")
      for _ = 1, 300 do assert(peer:raw(burst)) end
      peer:send "still there?"
      assert.equal("still there?", (peer:receive()))
    end)
    check(cost, 4 * MEBIBYTE, 300000 * 5e-6)
  end)

  it("of pings by one who never reads ends once the queue is full", function()
    local burst = ws.frame { opcode = ws.PING, payload = ("x"):rep(125) }:rep(1000)
    local cost = victim:measure(function()
      local peer <close> = ws.connect(victim.port, "/echo")
      local till = socket.gettime() + 20 -- timeouts.close is half a second
      while peer:raw(burst) do assert(socket.gettime() < till, "it goes on for ever") end
    end)
    check(cost, 4 * MEBIBYTE, 2)
  end)

  it("of the smallest messages costs their handler, and no memory", function()
    local burst = ws.frame { opcode = ws.BINARY, payload = "x" }:rep(1000)
    local cost = victim:measure(function()
      local peer <close> = ws.connect(victim.port, "/sink")
      for _ = 1, 300 do assert(peer:raw(burst)) end
      peer:send_close(1000)
      assert.equal(1000, (peer:read_close()))
    end)
    check(cost, 4 * MEBIBYTE, 300000 * 10e-6)
  end)

  it("of lengths that are promised gets no memory for promises", function()
    local cost = victim:measure(function()
      local waiting = {}
      for i = 1, 100 do
        local liar <close> = ws.connect(victim.port, "/echo")
        liar:raw(ws.frame { opcode = ws.BINARY, length = 2 ^ 62 // 1 | 0 })
        assert.equal(1009, (liar:read_close()))
        waiting[i] = ws.connect(victim.port, "/echo")
        waiting[i]:raw(ws.frame { opcode = ws.BINARY, length = 2 ^ 20 // 1 | 0, payload = "few" })
      end
      for _, peer in ipairs(waiting) do peer:close() end
    end)
    check(cost, 4 * MEBIBYTE + GARBAGE, 1)
  end)

  it("of what inflates a thousandfold ends at the message's limit", function()
    local frame = ws.frame { opcode = ws.BINARY, rsv = 4, payload = make_bomb(LONG and 512 or 64) }
    local cost = victim:measure(function()
      for _ = 1, 20 do
        local peer <close> = ws.connect(victim.port, "/echo",
          { "Sec-WebSocket-Extensions: permessage-deflate" })
        assert.matches("permessage%-deflate", peer.response["sec-websocket-extensions"])
        peer:raw(frame)
        assert.equal(1009, (peer:read_close()))
      end
    end)
    check(cost, 6 * MEBIBYTE + GARBAGE, 2)
  end)

  it("by one who stops reading a feed ends that one, and no other", function()
    local program = crowds.compile "crowd"
    local readers, data = {}, ("x"):rep(8192)
    local stopped <close> = crowds.start(program, victim.port, 1, "/feed")
    os.remove(program)
    for i = 1, LONG and 1000 or 40 do readers[i] = ws.connect(victim.port, "/feed") end
    local publisher <close> = ws.connect(victim.port, "/publish")
    local cost = victim:measure(function()
      for _ = 1, 800 do
        publisher:send(data, ws.BINARY)
        for _, reader in ipairs(readers) do assert.equal(data, (reader:receive())) end
      end
    end)
    local till = socket.gettime() + 20 -- timeouts.close comes after the last message
    while stopped:dead() == 0 and socket.gettime() < till do socket.sleep(0.05) end
    assert.equal(1, stopped:dead())
    stopped:say "close"
    for _, reader in ipairs(readers) do reader:close() end
    publisher:close()
    check(cost, 8 * MEBIBYTE + GARBAGE, LONG and 60 or 6)
  end)

  it("with topics, each another one, leaves none behind", function()
    local before = heap_of(victim)
    local cost = victim:measure(function()
      local peer <close> = ws.connect(victim.port, "/topics")
      for i = 1, 20000 do peer:send("a topic of its own: " .. i) end
      peer:send_close(1000)
      assert.equal(1000, (peer:read_close()))
    end)
    check(cost, 16 * MEBIBYTE + GARBAGE, 2)
    local census = victim:census()
    assert.equal(0, census.topic.live + census.subscription.live)
    check_heap(before, MEBIBYTE)
  end)

  it("with labels, each another one, does not make the census grow for ever", function()
    local before = heap_of(victim)
    local cost = victim:measure(function()
      local peer <close> = ws.connect(victim.port, "/labels")
      for i = 1, 50000 do peer:send("a label of a user's own: " .. i) end
      peer:send_close(1000)
      assert.equal(1000, (peer:read_close()))
    end)
    check(cost, 12 * MEBIBYTE + GARBAGE, 2)
    check_heap(before, 2 * MEBIBYTE)
  end)

  it("with paths, each another one, does not make the heap grow", function()
    local before = heap_of(victim)
    local cost = victim:measure(function()
      local peer <close> = ws.dial(victim.port)
      for i = 1, 3000 do
        peer:raw(("GET /nowhere/%d HTTP/1.1\r\nHost: localhost\r\n\r\n"):format(i))
        local head = peer:read_head()
        assert.equal(404, head.status)
        peer.tcp:receive(tonumber(head["content-length"]))
      end
    end)
    check(cost, 8 * MEBIBYTE + GARBAGE, 2)
    check_heap(before, MEBIBYTE / 2)
  end)
end)
