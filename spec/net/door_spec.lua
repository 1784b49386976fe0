-- The short way in: whoever asks for what another was let in by, path, Host and
-- Origin, comes in without the pipeline, and sees no difference.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local HEAD = "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

local SCRIPT = [[
local neap = require "neap"
local response = require "neap.response"
local long_ways, upgrade = 0, response.upgrade
function response.upgrade(...)
  long_ways = long_ways + 1
  return upgrade(...)
end

local app = neap.app{}
local asked = 0

app:ws("/echo", {message = function(_, data) return data end})
app:ws("/any", {origins = "any", message = function(_, data) return data end})
app:ws("/listed", {origins = {"https://a.org", "https://b.org"}, message = function() end})
app:ws("/accept", {accept = function(req)
  asked = asked + 1
  return {asked = asked}
end, open = function(conn) conn:send(tostring(conn.data.asked)) end})
app:ws("/open", {open = function(conn, req)
  local scope = req.scope.state
  req.note = "mine"
  conn:send(table.concat({req.method, req.path, req.query.a or "-", req:header "x-who" or "-",
    req.cookies.c or "-", req.remote == conn.remote and "here" or "elsewhere",
    tostring(conn.request == req), tostring(next(req.params)), scope, req.note,
    req.headers["x-who"] or "-"}, " "))
end})
app:ws("/short", {open = function(conn) conn:send(conn.request.path) end})
app:ws("/task", function(conn, req)
  conn:send(req:header "x-who" or "-")
  conn:receive()
  conn:send(tostring(conn.request == req))
end)
app:get("/long-ways", function() return tostring(long_ways) end)
app:get("/census", function()
  local counts = app:census().request
  return ("%d %d"):format(counts.opened, counts.live)
end)
app:ws("/drain", {message = function() app:drain{deadline = 20} return "draining" end,
  close = function() neap.sleep(0.5) end})
app:use("guard", function(req, next)
  asked = asked + 1
  return req:header "x-who" and next(req) or req:reject(401)
end)
app:ws("/guarded", {message = function() end})
return app
]]

describe("the short way in", function()
  local running, port

  before_each(function()
    running = server.start(SCRIPT)
    port = running.port
  end)

  after_each(function() running:stop() end)

  local function ask(bytes)
    local client <close> = ws.dial(port)
    client:raw(bytes)
    return client:read_head().status
  end

  local function status(path, headers)
    return ask(ws.head(port, path, headers))
  end

  local function from(origin)
    return { "Origin: " .. origin }
  end

  local function get(path)
    return ws.ask(port, (HEAD):format(path)).body
  end

  local function long_ways()
    return tonumber(get "/long-ways")
  end

  it("is open to those that ask for the same", function()
    for _ = 1, 5 do assert.equal(101, status "/echo") end
    assert.equal(1, long_ways())
    assert.equal(101, status "/echo?other=query")
    assert.equal(1, long_ways())
    local client <close> = ws.connect(port, "/echo")
    client:send "hello"
    assert.equal("hello", client:receive())
  end)

  it("looks at the Origin", function()
    local own = from(("http://127.0.0.1:%d"):format(port))
    for _ = 1, 2 do
      assert.equal(101, status("/echo", own))
      assert.equal(403, status("/echo", from "https://evil.org"))
      assert.equal(403, status("/echo", from "null"))
      assert.equal(403, status("/any", from "null"))
      assert.equal(101, status("/any", from "https://evil.org"))
      assert.equal(101, status("/listed", from "https://a.org"))
      assert.equal(101, status("/listed", from "https://b.org"))
      assert.equal(403, status("/listed", from "https://c.org"))
    end
    local before = long_ways()
    for _ = 1, 3 do assert.equal(101, status("/any", from "https://evil.org")) end
    for _ = 1, 3 do assert.equal(101, status("/echo", own)) end
    assert.equal(before, long_ways())
    assert.equal(403, status("/echo", { own[1], "Origin: x" }))
  end)

  it("looks at the Host where not all are answered, or an Origin is to be the same", function()
    local own = from(("http://127.0.0.1:%d"):format(port))
    assert.equal(101, status("/echo", own))
    assert.equal(403, status("/echo", { own[1], Host = "localhost" }))
    assert.equal(101, status "/echo")
    assert.equal(421, status("/echo", { Host = "evil.org" }))
    assert.equal(101, status("/echo", { Host = "localhost" }))
  end)

  it("holds each to the handshake", function()
    assert.equal(101, status "/echo")
    assert.equal(426, status("/echo", { ["Sec-WebSocket-Version"] = "8" }))
    assert.equal(400, status("/echo", { ["Sec-WebSocket-Key"] = "short" }))
    assert.equal(400, status("/echo", { "Sec-WebSocket-Extensions: a;;b" }))
    assert.equal(405, status("/echo", { method = "POST" }))
    assert.equal(404, status("/echo/", { "X-Who: me" }))
    assert.equal(404, status("/none", { "X-Who: me" }))
  end)

  it("agrees on compression each time", function()
    for _ = 1, 2 do
      local head = { "Sec-WebSocket-Extensions: permessage-deflate" }
      local client <close> = ws.connect(port, "/echo", head)
      assert.matches("permessage%-deflate", client.response["sec-websocket-extensions"])
    end
  end)

  it("gives open and tasks the same request", function()
    local head = { "X-Who: me", "Cookie: c=d" }
    for _ = 1, 3 do
      local client <close> = ws.connect(port, "/open?a=b", head)
      assert.equal("GET /open b me d here true nil closed mine me", client:receive())
      local short <close> = ws.connect(port, "/short")
      assert.equal("/short", short:receive())
      local task <close> = ws.connect(port, "/task", head)
      assert.equal("me", task:receive())
      task:send "?"
      assert.equal("true", task:receive())
    end
    assert.equal(3, long_ways())
  end)

  it("asks accept and middleware about each", function()
    for i = 1, 3 do
      local client <close> = ws.connect(port, "/accept")
      assert.equal(tostring(i), client:receive())
    end
    for _ = 1, 2 do
      assert.equal(101, status("/guarded", { "X-Who: me" }))
      assert.equal(401, status "/guarded")
    end
  end)

  it("counts each request, once", function()
    local before = get "/census"
    for _ = 1, 4 do status "/echo" end
    local opened, live = get("/census"):match "^(%d+) (%d+)$"
    assert.equal(tonumber(before:match "^%d+") + 5, tonumber(opened))
    assert.equal("1", live)
  end)

  it("is shut to those that come while the server stops", function()
    assert.equal(101, status "/echo")
    local client <close> = ws.connect(port, "/drain")
    client:send "?"
    assert.equal("draining", client:receive())
    assert.equal(503, status "/echo")
  end)
end)
