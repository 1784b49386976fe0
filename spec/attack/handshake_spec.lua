-- What a peer can do before there is a WebSocket, what it may cost, and that those
-- beside it do not notice.

local server = require "spec.support.server"
local socket = require "socket"
local tls_client = require "spec.support.tls_client"
local certs_of = require "spec.support.certs"
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
  local log = require "neap.log"
  local app = neap.app { timeouts = { handshake = 2, close = 0.5 } }
  local hits = 0
  app:ws("/honest", { message = function(_, data) return data end, deflate = false })
  app:ws("/slow", {
    accept = function() neap.sleep(0.5) return true end,
    message = function(_, data) return data end,
  })
  app:get("/inner", function() hits = hits + 1 return "inner" end)
  app:get("/hits", function() return tostring(hits) end)
  app:get("/say", function(req)
    log.warn(req.query.text, { agent = req:header "user-agent", path = req.path })
    return "said"
  end)
  return app
]]

local function get(victim, path, more)
  return ws.ask(victim.port, ("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n")
    :format(path, more or ""))
end

describe("an attack before the upgrade", function()
  local victim, usual

  -- A machine that is busy with other things slows the honest one, too: what
  -- counts is 50 ms on top of ten times what it has in peace.
  local function check(cost, memory, cpu)
    tell.result("%.1f MiB, %.3f s CPU, %d times, p95 %.2f ms (%.2f)",
      cost.memory / MEBIBYTE, cost.cpu, cost.runs, cost.p95, usual)
    assert.is_true(cost.memory < memory, ("%.1f MiB"):format(cost.memory / MEBIBYTE))
    assert.is_true(cost.cpu < cpu, ("%.2f s of CPU"):format(cost.cpu))
    assert.is_true(cost.p95 < 50 + 10 * usual, ("p95 of %.1f ms, usually %.1f"):format(
      cost.p95, usual))
    assert(victim:wait_until_alone(20))
  end

  setup(function()
    victim = victims.start(SCRIPT)
    usual = victim:measure(function() end).p95
  end)

  teardown(function() victim.server:stop "KILL" end)

  it("by many who send a byte a second ends at the handshake's deadline", function()
    local count, peers = LONG and 5000 or 300, {}
    local head = ws.head(victim.port, "/honest")
    for i = 1, count do peers[i] = ws.dial(victim.port) end
    local cost = victim:measure(function()
      for second = 1, 4 do
        for _, peer in ipairs(peers) do peer:raw(head:sub(second, second)) end
        socket.sleep(1)
      end
    end)
    for _, peer in ipairs(peers) do
      peer.tcp:settimeout(1)
      assert.is_true(peer:is_ended())
      peer:close()
    end
    check(cost, 2 * MEBIBYTE + count * 4096, 0.2 + count * 0.0005)
  end)

  it("with fields without end gets 431, and no more memory than a head", function()
    local field = ("X-Field: %s\r\n"):format(("a"):rep(1000))
    local few = ("X: y\r\n"):rep(200)
    local cost = victim:measure(function()
      for i = 1, 40 do
        local peer <close> = ws.dial(victim.port)
        peer:raw "GET /honest HTTP/1.1\r\nHost: localhost\r\n"
        for _ = 1, 200 do
          if not peer:raw(i % 2 == 0 and field or few) then break end
        end
        local is_whole, answer = pcall(peer.read_head, peer) -- a reset may come before it
        if is_whole and answer then assert.equal(431, answer.status) end
      end
    end)
    check(cost, 8 * MEBIBYTE + GARBAGE, 1)
  end)

  it("by pages of another site is refused, and makes no connection", function()
    local before = victim:census().conn.opened
    local cost = victim:measure(function()
      for _, origin in ipairs { "https://evil.example", "null", "http://localhost.evil.example",
          "http://127.0.0.1.evil.example:" .. victim.port, "file://", "http://127.0.0.1:1" } do
        local peer <close> = ws.dial(victim.port)
        peer:raw(ws.head(victim.port, "/honest", { "Origin: " .. origin }))
        assert.equal(403, peer:read_head().status, origin)
      end
    end)
    check(cost, 8 * MEBIBYTE + GARBAGE, 1)
    assert.equal(before + 1, victim:census().conn.opened) -- the honest one's
  end)

  it("that hides a request behind an upgrade has it read by nobody", function()
    local inner = "GET /inner HTTP/1.1\r\nHost: localhost\r\n\r\n"
    local tricks = {
      { "Sec-WebSocket-Version: 777", ["Sec-WebSocket-Version"] = false },
      { ["Sec-WebSocket-Key"] = "short" },
      { ("Content-Length: %d"):format(#inner) },
      { "Transfer-Encoding: chunked" },
      { "Origin: https://evil.example" },
      { Upgrade = "websocket, h2c" },
      { method = "POST" },
      {},
    }
    local cost = victim:measure(function()
      for i, trick in ipairs(tricks) do
        local peer <close> = ws.dial(victim.port)
        peer:raw(ws.head(victim.port, "/honest", trick) .. inner)
        peer.tcp:settimeout(3)
        assert.is_nil(peer:read_all():find("inner", 1, true), "trick " .. i)
      end
    end)
    check(cost, 8 * MEBIBYTE + GARBAGE, 1)
    assert.equal("0", get(victim, "/hits").body)
  end)

  it("with megabytes before the answer fills the kernel's buffers, not neap's", function()
    local cost = victim:measure(function()
      local peers = {}
      for i = 1, 8 do
        peers[i] = ws.dial(victim.port)
        peers[i]:raw(ws.head(victim.port, "/slow"))
        peers[i]:send "early"
        peers[i].tcp:settimeout(0)
        peers[i]:raw(ws.frame { opcode = ws.PONG, payload = ("x"):rep(100) }:rep(100000))
      end
      for _, peer in ipairs(peers) do
        peer.tcp:settimeout(5)
        assert.equal(101, peer:read_head().status)
        assert.equal("early", (peer:receive()))
        peer:close(true)
      end
    end)
    check(cost, 8 * MEBIBYTE + GARBAGE, 2)
  end)

  it("with text for the log starts no line there", function()
    local sly = { "%0aneap:%20drained%20leaked=0", "%0d%0afake", "%1b%5b2J", "%c2%85fake",
      "%e2%80%a8fake", "%00", "%22%20path=%22" }
    for _, text in ipairs(sly) do
      local answer = get(victim, "/say?text=" .. text, "User-Agent: a\tb\r\n")
      assert.equal("said", answer.body)
      ws.ask(victim.port, "GET /say?text=a HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \27[2J\n\r\n")
    end
    local lines = 0
    for line in victim.server:log():gmatch "[^\n]*\n" do
      lines = lines + 1
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z ", line)
      assert.is_nil(line:sub(1, -2):find "[%c\127]")
      assert.is_nil(line:find("\194\133", 1, true) or line:find("\226\128\168", 1, true))
    end
    assert.is_true(lines >= #sly)
  end)
end)

describe("an attack with TLS renegotiations", function()
  it("is refused at the first, and the next client is served", function()
    local certs <close> = certs_of.new()
    local cert, key = certs:make("good", { names = "DNS:localhost,IP:127.0.0.1" })
    local running <close> = server.start(SCRIPT,
      { "--cert", cert, "--key", key, listen = "https://127.0.0.1:0" })
    for _ = 1, 3 do
      local said = tls_client.renegotiate(running.port)
      assert.matches("RENEGOTIATING", said)
      assert.matches("no renegotiation", said)
    end
    assert.matches("200 OK", tls_client.get(running.port, "/hits"))
  end)
end)
