-- Who comes in, and how much each may send: limits of connections in all, of one
-- address, in one second; messages and bytes of one connection.

local certs = require "spec.support.certs"
local dkjson = require "dkjson"
local http = require "spec.support.http"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { close = 0.5 } }
  app:ws("/", { message = function(_, data) return data end })
  app:ws("/slow", function(conn)
    for data in conn:messages() do
      if data == "hold" then neap.sleep(1.2) end
      conn:send(data)
    end
  end)
  app:ws("/busy", { message = function()
    local till = neap.now() + 1.2
    repeat until neap.now() > till
  end })
  app:ws("/why", { close = function(_, why)
    io.stderr:write(("closed %s %d %s\n"):format(why.cause, why.code, why.by))
  end })
  app:get("/", function(req) return req.remote end)
  app:post("/", function(req) return assert(req:body()) end)
  return app
]]

local function start(...)
  local words = { "--admin", "http://127.0.0.1:0" }
  local options = { listen = "http://[::]:0" }
  for _, limit in ipairs { "hosts=127.0.0.1", ... } do
    words[#words + 1] = "--set"
    words[#words + 1] = limit:find "^hosts" and limit or "limits." .. limit
  end
  for i, word in ipairs(words) do options[i] = word end
  local running = server.start(SCRIPT, options)
  running.admin = math.tointeger(running.pipe:read("l"):match ":(%d+)$")
  return running
end

local REQUEST = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"

local function census(running)
  local peer <close> = http.connect(running.admin)
  peer:send "GET /census HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
  return dkjson.decode(peer:read_answer().body)
end

local function answer(running, host)
  local tcp = host and socket.tcp6() or socket.tcp()
  tcp:settimeout(10)
  assert(tcp:connect(host or "127.0.0.1", running.port))
  tcp:send(REQUEST)
  local text = tcp:receive "*a"
  tcp:close()
  return text
end

local function status(running, host)
  return tonumber((answer(running, host) or ""):match "^HTTP/1.1 (%d+)")
end

-- Somebody who was in may still be on the way out.
local function wait_for_status(running, wanted, host)
  local deadline, got = socket.gettime() + 10
  repeat
    got = status(running, host)
  until got == wanted or socket.gettime() > deadline
  return got
end

describe("Connections over limits.connections", function()
  it("get a plain 503 with Retry-After, are counted, and cost nobody in anything", function()
    local running <close> = start "connections=3"
    local clients = {}
    for i = 1, 3 do clients[i] = ws.connect(running.port, "/") end
    for _ = 1, 5 do
      local text = answer(running)
      assert.matches("^HTTP/1.1 503 Service Unavailable\r\n", text)
      assert.matches("\r\nRetry%-After: 5\r\n", text)
      assert.matches("\r\nConnection: close\r\n\r\ntoo many connections\n$", text)
    end
    for i, client in ipairs(clients) do
      client:send("still " .. i)
      assert.equal("still " .. i, client:receive())
    end
    local now = census(running) -- the admin listener is never full
    assert.equal(5, now.refused)
    assert.equal(3, now.classes.conn.live)
    clients[1]:close()
    assert.equal(200, wait_for_status(running, 200))
    for _, client in ipairs(clients) do client:close() end
    assert.equal(0, (running:stop()))
  end)

  it("are given back however they end, each once", function()
    local running <close> = start "connections=2"
    for i = 1, 30 do
      local peer <close> = http.connect(running.port)
      if i % 3 == 0 then peer:send "nonsense\r\n\r\n" end
      if i % 3 == 1 then peer:send(REQUEST) end
      if i % 2 == 0 then peer.tcp:setoption("linger", { on = true, timeout = 0 }) end
      if i % 5 == 0 then peer:read_all() end
    end
    assert.equal(200, wait_for_status(running, 200))
    local deadline = socket.gettime() + 10
    repeat until census(running).classes.stream.live == 1 or socket.gettime() > deadline
    local one <close> = ws.connect(running.port, "/")
    local two <close> = ws.connect(running.port, "/")
    assert.equal(503, status(running))
    one:close()
    two:close()
  end)

  it("are dropped before the handshake where TLS is spoken", function()
    local made = certs.new()
    local cert, key = made:make "server"
    local running <close> = server.start(SCRIPT, { listen = "https://127.0.0.1:0",
      "--cert", cert, "--key", key, "--set", "limits.connections=1" })
    local first <close> = ws.dial(running.port)
    local second <close> = ws.dial(running.port)
    assert.is_true(second:is_ended())
    first:close()
    made:remove()
  end)
end)

describe("Connections of one address over limits.per_ip", function()
  it("get a 503, while other addresses come in", function()
    local running <close> = start "per_ip=2"
    local clients = { ws.connect(running.port, "/"), ws.connect(running.port, "/") }
    assert.equal(503, status(running))
    assert.equal(200, status(running, "::1"))
    local other = assert(socket.tcp())
    assert(other:bind("127.0.0.2", 0))
    assert(other:connect("127.0.0.1", running.port))
    other:settimeout(10)
    other:send(REQUEST)
    assert.matches("^HTTP/1.1 200 ", (other:receive "*a"))
    other:close()
    clients[1]:close()
    assert.equal(200, wait_for_status(running, 200))
    clients[2]:close()
  end)

  it("are remembered by count alone: many come and go, and none is left", function()
    local running <close> = start "per_ip=1"
    for i = 1, 300 do
      local tcp = assert(socket.tcp())
      assert(tcp:bind(("127.0.%d.%d"):format(i % 7, 1 + i % 250), 0))
      tcp:settimeout(10)
      assert(tcp:connect("127.0.0.1", running.port))
      tcp:send(REQUEST)
      tcp:receive "*a"
      tcp:close()
    end
    for i = 1, 50 do -- whoever was there has room again
      local tcp = assert(socket.tcp())
      assert(tcp:bind(("127.0.%d.%d"):format(i % 7, 1 + i % 250), 0))
      tcp:settimeout(10)
      assert(tcp:connect("127.0.0.1", running.port))
      tcp:send(REQUEST)
      assert.matches("^HTTP/1.1 200 ", (tcp:receive "*a"))
      tcp:close()
    end
    assert.equal(0, (running:stop()))
  end)

  it("are told apart while a crowd of them is in, whoever leaves first", function()
    local running <close> = start "per_ip=1"
    local function dial(i, head)
      local tcp = assert(socket.tcp())
      assert(tcp:bind(("127.1.%d.%d"):format(i % 5, 1 + i), 0))
      tcp:settimeout(10)
      assert(tcp:connect("127.0.0.1", running.port))
      tcp:send(head)
      return tcp, (tcp:receive "*l" or ""):match "^HTTP/1.1 (%d+)"
    end
    local clients = {}
    local function upgrade(i)
      local code
      clients[i], code = dial(i, ws.head(running.port, "/"))
      return code
    end
    for i = 1, 200 do assert.equal("101", upgrade(i)) end
    for left = 0, 6 do -- every seventh at a time, so that the table gets gaps
      for i = 1 + left, 200, 7 do clients[i]:close() end
      for i = 1 + left, 200, 7 do
        local deadline, code = socket.gettime() + 10
        repeat code = upgrade(i) until code == "101" or socket.gettime() > deadline
        assert.equal("101", code)
      end
      for i = 1, 200, 13 do
        local second, code = dial(i, REQUEST)
        assert.equal("503", code)
        second:close()
      end
    end
    for i = 1, 200 do clients[i]:close() end
    assert.equal(0, (running:stop()))
  end)

  it("count in all workers together", function()
    local running <close> = server.start(SCRIPT,
      { "--workers", "2", "--set", "limits.per_ip=4" })
    local clients = {}
    for i = 1, 12 do
      local tcp = assert(socket.connect("127.0.0.1", running.port))
      tcp:settimeout(10)
      tcp:send(ws.head(running.port, "/"))
      clients[i] = { tcp = tcp, line = tcp:receive "*l" }
    end
    local let_in = 0
    for _, client in ipairs(clients) do
      if client.line:find " 101 " then let_in = let_in + 1 end
      client.tcp:close()
    end
    assert.equal(4, let_in)
  end)
end)

describe("Handshakes over limits.handshakes", function()
  it("get a 503 until the second is over", function()
    local running <close> = start "handshakes=5"
    local refused = 0
    local began = socket.gettime()
    for _ = 1, 40 do
      if status(running) == 503 then refused = refused + 1 end
    end
    local took = socket.gettime() - began
    assert.is_true(refused >= 40 - 5 - math.ceil(5 * took) - 1, refused .. " refused")
    assert.equal(refused, census(running).refused)
    assert.equal(200, wait_for_status(running, 200))
  end)
end)

describe("Messages over limits.messages_per_second", function()
  it("end their connection with 1008, and its cause is rate", function()
    local running <close> = start("messages_per_second=10", "burst=1")
    local client <close> = ws.connect(running.port, "/why")
    for _ = 1, 60 do client:send "x" end
    local frame = client:read()
    assert.equal(ws.CLOSE, frame.opcode)
    assert.equal(1008, (string.unpack(">I2", frame.payload)))
    assert.equal("too much in a short time", frame.payload:sub(3))
    client:send_close(1008)
    client:close()
    running:stop()
    assert.matches("closed rate 1008 local", running.err)
  end)

  it("count pings too", function()
    local running <close> = start("messages_per_second=10", "burst=1")
    local client <close> = ws.connect(running.port, "/")
    for _ = 1, 60 do client:send("", ws.PING) end
    local frame
    repeat frame = client:read() until frame.opcode ~= ws.PONG
    assert.equal(1008, (string.unpack(">I2", frame.payload)))
  end)

  it("leave those alone who keep to the rate, and a burst of two seconds' worth", function()
    local running <close> = start "messages_per_second=20"
    local client <close> = ws.connect(running.port, "/")
    for i = 1, 40 do client:send("burst " .. i) end
    for i = 1, 40 do assert.equal("burst " .. i, client:receive()) end
    for i = 1, 20 do
      socket.sleep(0.06)
      client:send("steady " .. i)
      assert.equal("steady " .. i, client:receive())
    end
  end)

  it("do not count against a peer while its own handler lets it wait", function()
    local running <close> = start("messages_per_second=20", "burst=1", "message=64")
    local client <close> = ws.connect(running.port, "/slow")
    local payload = ("x"):rep(60) -- so that all but two of them wait in the socket
    for _ = 1, 2 do
      client:send "hold"
      for _ = 1, 23 do
        socket.sleep(0.05)
        client:send(payload)
      end
      assert.equal("hold", client:receive())
      for _ = 1, 23 do assert.equal(payload, client:receive()) end
    end
  end)

  it("do not count against a peer while another's handler keeps the server busy", function()
    local running <close> = start("messages_per_second=20", "burst=1")
    local client <close> = ws.connect(running.port, "/")
    local other <close> = ws.connect(running.port, "/busy")
    for round = 1, 2 do
      other:send "for 1.2 s"
      for i = 1, 23 do
        socket.sleep(0.05)
        client:send(round .. " " .. i)
      end
      for i = 1, 23 do assert.equal(round .. " " .. i, client:receive()) end
    end
  end)
end)

describe("Bytes over limits.bytes_per_second", function()
  it("end their connection with 1008, also in the midst of a message", function()
    local running <close> = start("bytes_per_second=1K", "burst=1", "message=1900")
    local client <close> = ws.connect(running.port, "/")
    -- Ten seconds' worth: a server under a tool is slow, and lets the meter fill.
    client:raw(ws.frame { opcode = ws.BINARY, fin = false, payload = "x" }
      .. ws.frame { opcode = 0, fin = false, payload = "x" }:rep(1500))
    local frame = client:read()
    assert.equal(ws.CLOSE, frame.opcode)
    assert.equal(1008, (string.unpack(">I2", frame.payload)))
  end)

  it("always let one message of the largest size in", function()
    local running <close> = start("bytes_per_second=1", "burst=1", "message=64K")
    local client <close> = ws.connect(running.port, "/")
    local payload = ("x"):rep(65536)
    client:send(payload)
    assert.equal(payload, client:receive())
  end)
end)

describe("The head and the body of a request", function()
  it("are refused over limits.header and limits.body", function()
    local running <close> = start("header=300", "body=10")
    local peer <close> = http.connect(running.port)
    peer:send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " .. ("x"):rep(300) .. "\r\n\r\n")
    assert.equal(431, peer:read_answer().status)
    local other <close> = http.connect(running.port)
    other:send "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 11\r\n\r\nhello world"
    assert.equal(413, other:read_answer().status)
  end)
end)
