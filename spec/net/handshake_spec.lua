-- The opening handshake as a client on a socket sees it.
local HELLO = "%s /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{limits = {header = "4K"}}
app:ws("/echo", {message = function(_, data) return data end})
app:ws("/chosen", {protocols = {"tide.v2", "tide.v1"}, open = function(conn)
  conn:send(conn.protocol or "none")
end})
app:ws("/room/:name", {open = function(conn, req) conn:send(req.params.name) end})
app:ws("/closed-to-all", {accept = function(req)
  return req:reject(403, "not today")
end})
app:ws("/forgot", {accept = function() end})
app:ws("/any", {origins = "any", message = function(_, data) return data end})
app:get("/hello", function() return "hello" end)
return app
]]

describe("the opening handshake", function()
  local running, port

  setup(function()
    running = server.start(SCRIPT)
    port = running.port
  end)

  teardown(function() running:stop() end)

  local function status_of(bytes)
    local answer = ws.ask(port, bytes)
    return answer and answer.status, answer
  end

  local function upgrade(path, headers)
    return status_of(ws.head(port, path, headers))
  end

  it("answers 101 with the key that RFC 6455 gives", function()
    local client <close> = ws.connect(port, "/echo")
    assert.equal("websocket", client.response.upgrade:lower())
    assert.equal("upgrade", client.response.connection:lower())
    assert.is_nil(client.response["sec-websocket-protocol"])
    assert.is_nil(client.response["sec-websocket-extensions"])
  end)

  it("takes the first frame in the segment of the head", function()
    local client <close> = ws.dial(port)
    client:raw(ws.head(port, "/echo") .. ws.frame { opcode = 1, payload = "early" })
    assert.equal(101, client:read_head().status)
    assert.equal("early", client:receive())
  end)

  it("takes a head that comes byte by byte", function()
    local client <close> = ws.dial(port)
    client:trickle(ws.head(port, "/echo"))
    assert.equal(101, client:read_head().status)
    client:send "hello"
    assert.equal("hello", client:receive())
  end)

  it("reads names, tokens and lists without regard to case", function()
    local client <close> = ws.connect(port, "/echo", {
      Upgrade = "WebSocket", Connection = "keep-alive, UPGRADE",
    })
    client:send "hello"
    assert.equal("hello", client:receive())
  end)

  it("chooses the subprotocol that the route lists first", function()
    local client <close> = ws.connect(port, "/chosen",
      { "Sec-WebSocket-Protocol: tide.v1, tide.v2" })
    assert.equal("tide.v2", client.response["sec-websocket-protocol"])
    assert.equal("tide.v2", client:receive())
  end)

  it("names no subprotocol when none is shared", function()
    local client <close> = ws.connect(port, "/chosen")
    assert.is_nil(client.response["sec-websocket-protocol"])
    assert.equal("none", client:receive())
  end)

  it("gives the handler what the path holds", function()
    local client <close> = ws.connect(port, "/room/blue%20whale?x=1")
    assert.equal("blue whale", client:receive())
  end)

  describe("answers", function()
    local refusals = {
      { "404 to an unknown path", 404, { path = "/nowhere" } },
      { "404 to a path that only begins like a route", 404, { path = "/echo/x" } },
      { "403 to what accept rejects", 403, { path = "/closed-to-all" } },
      { "403 when accept returns nothing", 403, { path = "/forgot" } },
      { "400 without a key", 400, { ["Sec-WebSocket-Key"] = false } },
      { "400 to a key that is not 16 bytes", 400, { ["Sec-WebSocket-Key"] = "c2hvcnQ=" } },
      { "400 without a Host", 400, { Host = false } },
      { "400 to two Hosts", 400, { "Host: example.org" } },
      { "405 to another method than GET", 405, { method = "POST" } },
      { "426 to another version", 426, { ["Sec-WebSocket-Version"] = "8" } },
      { "400 to a bad version", 400, { ["Sec-WebSocket-Version"] = false } },
      { "426 to a plain request on a WebSocket route", 426,
        { Upgrade = false, Connection = false } },
    }
    for _, case in ipairs(refusals) do
      it(case[1], function()
        local status, answer = upgrade(case[3].path or "/echo", case[3])
        if case[1]:find "bad version" then -- a missing one may be either
          assert.is_true(status == 400 or status == 426)
        else
          assert.equal(case[2], status)
        end
        assert.equal(case[3].Upgrade ~= false and "close" or nil, answer.connection)
        if status == 426 then
          assert.equal("13", answer["sec-websocket-version"])
        end
      end)
    end
  end)

  describe("refuses a head with", function()
    local host = "Host: localhost\r\n"
    local heads = {
      { "bare line feeds", 400, "GET /hello HTTP/1.1\n" .. host:gsub("\r", "") .. "\n" },
      { "a bare carriage return", 400, "GET /hello HTTP/1.1\r\nHost: a\rb\r\n\r\n" },
      { "a space before the colon", 400, "GET /hello HTTP/1.1\r\nHost : localhost\r\n\r\n" },
      { "a folded line", 400, "GET /hello HTTP/1.1\r\n" .. host .. "X: a\r\n b\r\n\r\n" },
      { "a control character", 400, "GET /hello HTTP/1.1\r\n" .. host .. "X: \1\r\n\r\n" },
      { "a zero byte", 400, "GET /hello HTTP/1.1\r\n" .. host .. "X: \0\r\n\r\n" },
      { "two lengths", 400, "GET /hello HTTP/1.1\r\n" .. host
        .. "Content-Length: 1\r\nContent-Length: 2\r\n\r\n" },
      { "a length and an encoding", 400, "GET /hello HTTP/1.1\r\n" .. host
        .. "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" },
      { "a negative length", 400, "GET /hello HTTP/1.1\r\n" .. host
        .. "Content-Length: -1\r\n\r\n" },
      { "more than 100 headers", 431, "GET /hello HTTP/1.1\r\n" .. host
        .. ("X: y\r\n"):rep(100) .. "\r\n" },
      { "more bytes than limits.header", 431, "GET /hello HTTP/1.1\r\n" .. host
        .. ("X: " .. ("y"):rep(500) .. "\r\n"):rep(9) .. "\r\n" },
      { "HTTP/2.0", 505, "GET /hello HTTP/2.0\r\n" .. host .. "\r\n" },
    }
    for _, case in ipairs(heads) do
      it(case[1], function()
        assert.equal(case[2], (status_of(case[3])))
      end)
    end

    it("a request line over the limit, before it ends", function()
      local status = status_of("GET /" .. ("a"):rep(9000))
      assert.is_true(status == 414 or status == 431)
    end)
  end)

  describe("compares the Origin", function()
    local function with_origin(origin, path)
      local client <close> = ws.dial(port)
      client:raw(ws.head(port, path or "/echo", { "Origin: " .. origin }))
      return client:read_head().status
    end

    it("and lets its own in", function()
      assert.equal(101, with_origin("http://127.0.0.1:" .. port))
    end)

    it("and answers a foreign one with 403", function()
      assert.equal(403, with_origin "https://evil.example")
    end)

    it("and takes another port for foreign", function()
      assert.equal(403, with_origin "http://127.0.0.1:1")
    end)

    it("and lets no \"null\" in", function()
      assert.equal(403, with_origin "null")
    end)

    it("and lets any in where the route says so", function()
      assert.equal(101, with_origin("https://evil.example", "/any"))
    end)
  end)

  it("does not answer to a foreign name on a loopback address", function()
    local status = upgrade("/echo", { Host = "evil.example" })
    assert.is_true(status >= 400 and status < 500)
  end)

  it("answers to localhost, with any port", function()
    local client <close> = ws.connect(port, "/echo", { Host = "localhost:9999" })
    client:send "hello"
    assert.equal("hello", client:receive())
  end)

  it("serves a page from the same port", function()
    local status, answer = status_of(HELLO:format "GET")
    assert.equal(200, status)
    assert.equal("hello", answer.body)
    assert.equal("5", answer["content-length"])
    assert.matches("^text/plain", answer["content-type"])
  end)

  it("sends no body to HEAD", function()
    local _, answer = status_of(HELLO:format "HEAD")
    assert.equal("", answer.body)
  end)
end)
