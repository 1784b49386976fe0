local dkjson = require "dkjson"
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app()
  app:ws("/", { message = function(_, data) return data end })
  app:ws("/slow", { close = function() neap.sleep(0.5) end })
  return app
]]

local function start(...)
  local running = server.start(SCRIPT, { "--admin", "http://127.0.0.1:0", ... })
  local port = running.pipe:read("l"):match "^neap: admin on http://127%.0%.0%.1:(%d+)$"
  return running, assert(math.tointeger(port))
end

local function get(port, path, host)
  return ws.ask(port, ("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"):format(
    path, host or "localhost"))
end

describe("the admin listener", function()
  it("says that the process is alive and ready", function()
    local running <close>, port = start()
    assert.same({ 200, "ok\n" }, { get(port, "/livez").status, get(port, "/livez").body })
    assert.equal(200, get(port, "/readyz").status)
    assert.equal(404, get(port, "/").status)
    assert.equal(404, get(port, "/census/x").status)
    assert(running.port)
  end)

  it("gives the census as JSON", function()
    local running <close>, port = start()
    local peer <close> = assert(ws.connect(running.port, "/"))
    local answer = get(port, "/census")
    assert.equal("application/json", answer["content-type"])
    local classes = dkjson.decode(answer.body).classes
    assert.same({ 1, 1, 0 }, { classes.conn.live, classes.conn.opened, classes.conn.closed })
    assert.equal(2, classes.listener.live)
    assert.equal(1, classes.conn.sites["ws /"])
    assert(peer)
  end)

  it("is not ready, and still alive, while the server drains", function()
    local running <close>, port = start()
    local peer <close> = assert(ws.connect(running.port, "/slow"))
    running:signal "TERM"
    assert.equal(1001, peer:read_close(2))
    local answer = get(port, "/readyz")
    assert.same({ 503, "draining\n" }, { answer.status, answer.body })
    assert.equal(200, get(port, "/livez").status)
  end)

  it("answers no other host name", function()
    local running <close>, port = start()
    assert.equal(421, get(port, "/census", "evil.example").status)
    assert(running.port)
  end)

  it("refuses an address that others reach, unless it is told to", function()
    local running <close> = server.start(SCRIPT, { "--admin", "http://0.0.0.0:0", may_fail = true })
    local status, _, err = running:wait()
    assert.equal(1, status)
    assert.truthy(err:find "others could reach it; use a loopback address, or %-%-admin%-any")
  end)
end)
