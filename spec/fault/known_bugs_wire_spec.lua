-- What others have had to mend, as sentences about neap: how connections end, and
-- what comes over them. See known_bugs_spec.lua.

local bugs = require "spec.support.bugs"
local certs_of = require "spec.support.certs"
local core = require "neap.core"
local http = require "spec.support.http"
local life = require "spec.support.life"
local neap = require "neap"
local server = require "spec.support.server"
local tls_client = require "spec.support.tls_client"
local tls_world = require "spec.support.tls_world"
local ws = require "spec.support.ws"

local dial, live, serve = bugs.dial, bugs.live, bugs.serve
local wait_for_none, wait_until_open = bugs.wait_for_none, bugs.wait_until_open

describe("a bug that others had: ends", function()
  it("a peer that half-closes does not stay in CLOSE_WAIT (ws #540)", function()
    life.run(function(world)
      local seen = serve(world)
      local peer <close> = dial(world)
      wait_until_open(seen)
      peer.tcp:shutdown "send"
      life.wait_until(function() return seen.closed == 1 end)
      assert.equal("eof", seen.whys[1].cause)
      wait_for_none "stream"
    end)
  end)

  it("terminate is heard of at once, though the peer is silent (ws #891)", function()
    life.run(function(world)
      local seen = serve(world)
      local _ <close> = dial(world)
      wait_until_open(seen)
      local began = neap.now()
      seen.conn:terminate()
      life.wait_until(function() return seen.closed == 1 end)
      assert.is_true(neap.now() - began < 4) -- a close would wait for 5
    end)
  end)

  it("a crowd that leaves while it is compressed for leaves no context (ws #1617)", function()
    life.run(function(world)
      local seen = serve(world, { deflate = { takeover = true } })
      local clients = {}
      for i = 1, 40 do
        clients[i] = world:connect("/", { deflate = { takeover = true } })
        clients[i]:send(("compress me "):rep(5000))
      end
      neap.sleep(0)
      for _, client in ipairs(clients) do client:terminate() end
      wait_for_none "stream"
      assert.equal(0, live "deflate" + live "inflate")
      local next_one = world:connect "/"
      next_one:send(("and me "):rep(5000))
      assert.equal(35000, #next_one:receive(20))
      assert.equal(41, seen.opened)
    end)
  end)

  it("a server's end takes what still shakes hands along (after ws #2329)", function()
    life.run(function(world)
      serve(world)
      local peer <close> = http.connect(world:port(), 0)
      peer:send "GET / HTTP/1.1\r\nHost: loc"
      life.wait_until(function() return live "stream" == 1 end)
    end)
  end)

  it("a paused connection that is closed gives its descriptor back (bun #42974)", function()
    life.run(function(world)
      local seen = serve(world, { timeouts = { close = 0.1 } })
      local _ <close> = dial(world)
      wait_until_open(seen)
      seen.conn:pause()
      seen.conn:close()
      wait_for_none "stream"
      assert.equal(1, seen.closed)
    end)
  end)

  it("a close within `open` is heard of by hooks that come after it (bun #39802)", function()
    life.run(function(world)
      local heard, states = 0, {}
      local seen = serve(world, { open = function(conn)
        conn:close(4406, "subprotocol not acceptable")
        states[1] = conn.state
        conn:every(0.001, function() end)
        conn:defer(function() heard, states[2] = heard + 1, conn.state end)
      end })
      for i = 1, 20 do
        local why = world:connect("/"):wait_closed(20)
        assert.equal(4406, why.code)
        life.wait_until(function() return seen.closed == i end)
      end
      assert.equal(20, heard)
      assert.same({ "closing", "closed" }, states)
      wait_for_none "timer"
    end)
  end)

  it("the server's own close has its close event, once (deno #27924)", function()
    life.run(function(world)
      local seen = serve(world, { open = function(conn) conn:close() end })
      for _ = 1, 10 do world:connect("/"):wait_closed(20) end
      life.wait_until(function() return seen.closed == 10 end)
      neap.sleep(0.02)
      assert.equal(10, seen.closed)
    end)
  end)

  it("no disconnection is lost, however it comes (socket.io #2852)", function()
    life.run(function(world)
      local seen = serve(world)
      for i = 1, 60 do
        local client = world:connect "/"
        if i % 3 == 0 then client:send "bye" end
        if i % 2 == 0 then client:close() else client:terminate() end
      end
      life.wait_until(function() return seen.opened == 60 and seen.closed == 60 end)
    end)
  end)

  it("a handler that waits when its peer leaves is ended", function()
    life.run(function(world)
      local ended
      world:ws("/", function()
        local _ <close> = setmetatable({}, { __close = function() ended = true end })
        while true do neap.sleep(30) end
      end)
      world:connect("/"):terminate()
      life.wait_until(function() return ended end)
    end)
  end)

  it("a stream whose reader stopped ends for its owner too (cowboy #1589)", function()
    life.run(function(world)
      local ended, is_told
      world.app:get("/events", function(req)
        req:defer(function() ended = true end)
        local events = req:events()
        repeat until not events:send(("x"):rep(100000))
        is_told = events:wait_closed()
      end)
      local peer <close> = http.connect(world:port(), 0)
      peer:send "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
      life.wait_until(function() return ended end, "the end of the stream")
      assert.truthy(is_told)
      wait_for_none "stream"
    end, { timeouts = { write = 0.1 } })
  end)

  it("a peer that never finishes the close is dropped in time (tomcat CVE-2024-23672)", function()
    life.run(function(world)
      local seen = serve(world, { timeouts = { close = 0.1 } })
      local peer <close> = dial(world)
      wait_until_open(seen)
      seen.conn:close(1000)
      for _ = 1, 10 do
        peer:send(ws.frame { opcode = ws.TEXT, payload = "still here" })
        neap.sleep(0.02)
      end
      wait_for_none "stream"
      assert.is_false(seen.whys[1].clean)
    end)
  end)

  it("a peer that keeps its half open after the end holds nothing (haproxy #2697)", function()
    life.run(function(world)
      local seen = serve(world, { timeouts = { close = 0.1 } })
      local peer <close> = dial(world)
      wait_until_open(seen)
      seen.conn:close(1000)
      peer:send(ws.frame { opcode = ws.CLOSE, payload = "\3\232" })
      wait_for_none "stream"
      assert.is_true(seen.whys[1].clean)
    end)
  end)

  it("a half-closed peer with data unsent costs no processor (after haproxy #1453)", function()
    life.run(function(world)
      local seen = serve(world, { limits = { queue = "16M" }, deflate = false,
        timeouts = { close = 30 } })
      local peer <close> = dial(world)
      wait_until_open(seen)
      for _ = 1, 10 do seen.conn:send(("x"):rep(1000000), "binary") end
      assert.is_true(seen.conn:buffered() > 0)
      peer.tcp:shutdown "send"
      local cpu, till = os.clock(), neap.now() + 2
      while neap.now() < till do neap.sleep(0.1) end
      cpu = os.clock() - cpu
      assert.is_true(cpu < 0.7, ("%.2f s of CPU in 2 s"):format(cpu))
      seen.conn:terminate()
    end)
  end)
end)

describe("a bug that others had: bytes", function()
  it("pongs that nobody asked for leave no buffer (undertow CVE-2021-3690)", function()
    life.run(function(world)
      serve(world)
      local peer <close> = dial(world)
      for _ = 1, 200 do
        peer:send(ws.frame { opcode = ws.PONG, payload = ("p"):rep(125) }:rep(10))
        neap.sleep(0)
      end
      assert.equal(0, core.counts().frame_buffer.bytes)
      assert.equal(1, live "conn")
    end)
  end)

  it("upgrades that are left at once leave no descriptor (undertow CVE-2024-1635)", function()
    life.run(function(world)
      serve(world)
      for i = 1, 40 do
        local peer = dial(world)
        if i % 2 == 0 then peer.tcp:setoption("linger", { on = true, timeout = 0 }) end
        peer:close()
      end
      neap.sleep(0.02)
      wait_for_none "stream"
      wait_for_none "timer"
    end)
  end)

  it("frames in the same segment as the upgrade are served (after haproxy #2754)", function()
    life.run(function(world)
      local seen = serve(world)
      local peer <close> = dial(world, "/", ws.frame { opcode = ws.TEXT, payload = "early" })
      local text = ""
      life.wait_until(function()
        local part, _, rest = peer.tcp:receive "*a"
        text = text .. (part or rest or "")
        return text:find("early", 1, true)
      end)
      assert.equal(1, seen.opened)
    end)
  end)

  it("a close with a write under way hears of no write later (h2o #1944)", function()
    life.run(function(world)
      local written = 0
      local seen = serve(world, { limits = { queue = "8M" }, deflate = false,
        writable = function() written = written + 1 end })
      local peer <close> = dial(world)
      wait_until_open(seen)
      for _ = 1, 6 do seen.conn:send(("x"):rep(1000000), "binary") end
      seen.conn:terminate()
      while peer.tcp:receive(65536) do neap.sleep(0) end
      wait_for_none "stream"
      assert.same({ 1, 0 }, { seen.closed, written })
    end)
  end)

  it("a failed handshake is no error of the next connection (h2o #1448)", function()
    tls_world.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local client = world:connect "/"
      for _ = 1, 10 do
        local stranger = http.connect(world:port(), 0)
        stranger:send "\22\3\1\0\5hello and more that is no TLS"
        neap.sleep(0.005)
        client:send "are you well?"
        assert.equal("are you well?", client:receive(20))
        stranger:close()
      end
    end)
  end)

  it("odd names and protocols in a hello end one handshake (node CVE-2026-21637)", function()
    local certs <close> = certs_of.new()
    local cert, key = certs:make("good", { names = "DNS:localhost" })
    local running <close> = server.start("local app = require('neap').app {}\n"
      .. "app:get('/', function() return 'well' end)\nreturn app",
      { "--cert", cert, "--key", key, listen = "https://127.0.0.1:0" })
    local before = running:descriptors()
    for _, words in ipairs {
      "-servername " .. ("x"):rep(200), "-servername ..", "-alpn nothing", "-alpn h2,,x",
      "-psk 0102 -psk_identity nobody -tls1_2 -cipher PSK",
    } do
      tls_client.connect(running.port, words)
    end
    assert.matches("well", tls_client.get(running.port, "/"))
    for _ = 1, 1000 do
      if running:descriptors() <= before then break end
    end
    assert.is_true(running:descriptors() <= before)
    assert.equal(0, (running:stop()))
  end)
end)
