-- Listeners behind a proxy: whom it speaks for is who the script sees.

local certs = require "spec.support.certs"
local process = require "spec.support.process"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { handshake = 2 }, hosts = "localhost" }
  app:get("/", function(req) return req.remote end)
  app:ws("/", function(conn) conn:send(conn.remote) conn:receive() end)
  return app
]]

local REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local V1 = "PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"
local V2 = SIGNATURE .. "\x21\x11\0\15\192\0\2\7\10\0\0\1\xdc\4\1\xbb\4\0\0"
local LOCAL = SIGNATURE .. "\x20\0\0\0"

local function start(listen, ...)
  return server.start(SCRIPT, { listen = listen or "http://127.0.0.1:0?proxy", ... })
end

describe("Behind a proxy", function()
  for name, header in pairs { text = V1, binary = V2 } do
    it("a client's address is what a header says, in " .. name, function()
      local running <close> = start()
      assert.equal("192.0.2.7:56324", ws.ask(running.port, header .. REQUEST).body)
      local client <close> = ws.dial(running.port)
      client:raw(header .. ws.head(running.port, "/", { Host = "localhost" }))
      assert.equal(101, client:read_head().status)
      assert.equal("192.0.2.7:56324", client:receive())
    end)

    it("a header may come byte by byte, in " .. name, function()
      local running <close> = start()
      local client <close> = ws.dial(running.port)
      for i = 1, #header do
        client:raw(header:sub(i, i))
        socket.sleep(0.001)
      end
      client:raw(REQUEST)
      assert.equal(200, client:read_head().status)
      assert.equal("192.0.2.7:56324", client:read_all())
    end)
  end

  it("the proxy's own checks keep the proxy's address", function()
    local running <close> = start()
    assert.matches("^127.0.0.1:%d+$", ws.ask(running.port, LOCAL .. REQUEST).body)
    assert.matches("^127.0.0.1:%d+$", ws.ask(running.port, "PROXY UNKNOWN\r\n" .. REQUEST).body)
    local check <close> = ws.dial(running.port) -- connects, and that was it
    check:close()
    assert.equal("", running:log())
  end)

  it("whoever sends no header, or a wrong one, is dropped without an answer", function()
    local running <close> = start()
    for _, bytes in ipairs { REQUEST, "PROXY TCP4 1.2.3.4\r\n" .. REQUEST, SIGNATURE .. "\x31",
      "PROXY UNKNOWN " .. ("x"):rep(200), "\22\3\1" } do
      assert.is_nil(ws.ask(running.port, bytes))
    end
    assert.equal("192.0.2.7:56324", ws.ask(running.port, V1 .. REQUEST).body)
  end)

  it("half a header does not stay for ever", function()
    local running <close> = start()
    local client <close> = ws.dial(running.port)
    client:raw(V1:sub(1, 20))
    local began = socket.gettime()
    assert.is_true(client:is_ended())
    assert.is_true(socket.gettime() - began < 20)
  end)

  it("without being asked for, a header is a bad request", function()
    local running <close> = start "http://127.0.0.1:0"
    assert.equal(400, ws.ask(running.port, V1 .. REQUEST).status)
  end)

  it("limits.per_ip is of the clients, not of the proxy", function()
    local running <close> = start(nil, "--set", "limits.per_ip=1")
    local function connect(address)
      local client = ws.dial(running.port)
      client:raw(("PROXY TCP4 %s 10.0.0.1 1 443\r\n"):format(address)
        .. ws.head(running.port, "/", { Host = "localhost" }))
      return client, client:read_head()
    end
    local first, head = connect "192.0.2.1"
    assert.equal(101, head.status)
    local second, refused = connect "192.0.2.1"
    assert.equal(503, refused.status)
    assert.equal("5", refused["retry-after"])
    local third, other = connect "192.0.2.2"
    assert.equal(101, other.status)
    for _, client in ipairs { first, second, third } do client:close() end
  end)

  it("an IPv6 client counts with its /64", function()
    local running <close> = start(nil, "--set", "limits.per_ip=1")
    local function connect(address)
      local client = ws.dial(running.port)
      client:raw(("PROXY TCP6 %s ::1 1 443\r\n"):format(address)
        .. ws.head(running.port, "/", { Host = "localhost" }))
      return client, client:read_head().status
    end
    local first, status = connect "2001:db8:1:1::1"
    assert.equal(101, status)
    assert.equal(503, (select(2, connect "2001:db8:1:1:ffff::9")))
    assert.equal(101, (select(2, connect "2001:db8:1:2::1")))
    first:close()
  end)

  it("a unix socket works as well", function()
    local path = server.temporary ".sock"
    local running <close> = server.start(SCRIPT,
      { listen = ("unix:%s?proxy&mode=600"):format(path), may_fail = true })
    local client = assert(require "socket.unix"())
    client:settimeout(10)
    assert(client:connect(path))
    client:send(V1 .. REQUEST)
    assert.matches("192.0.2.7:56324$", (client:receive "*a"))
    client:close()
    assert.equal(0, (running:stop()))
  end)

  it("TLS begins behind the header", function()
    local made = certs.new()
    local cert, key = made:make "server"
    local running <close> = start("https://127.0.0.1:0?proxy", "--cert", cert, "--key", key)
    local pipe <close> = assert(io.popen(("env -u LD_PRELOAD curl -m 20 -sSk "
      .. "--haproxy-protocol https://localhost:%d/ 2>&1")
      :format(running.port)))
    assert.matches("^127.0.0.1:%d+$", pipe:read "a")
    made:remove()
  end)
end)

local HAPROXY = [[
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend one
  bind 127.0.0.1:%d
  default_backend text
frontend two
  bind 127.0.0.1:%d
  default_backend binary
backend text
  server s 127.0.0.1:%d send-proxy
backend binary
  server s 127.0.0.1:%d send-proxy-v2 check check-send-proxy inter 100ms
]]

local function free_port()
  local listener = assert(socket.bind("127.0.0.1", 0))
  local _, port = listener:getsockname()
  listener:close()
  return math.tointeger(tonumber(port))
end

if os.execute "command -v haproxy >/dev/null" then
  describe("Behind haproxy", function()
    it("a client has its own address, in both versions", function()
      local running <close> = start()
      local ports = { free_port(), free_port() }
      local name = os.tmpname()
      local file <close> = assert(io.open(name, "w"))
      file:write(HAPROXY:format(ports[1], ports[2], running.port, running.port))
      file:close()
      local _ <close> = process.start("haproxy -q -f " .. name, false)
      for _, port in ipairs(ports) do
        local client
        for _ = 1, 100 do
          client = socket.connect("127.0.0.1", port)
          if client then break end
          socket.sleep(0.05)
        end
        client:settimeout(10)
        client:send(REQUEST)
        local _, own = client:getsockname()
        assert.equal("127.0.0.1:" .. own, client:receive("*a"):match "\r\n\r\n(.*)$")
        client:close()
      end
      os.remove(name)
    end)
  end)
end
