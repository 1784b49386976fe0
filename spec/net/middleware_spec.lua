-- The middleware that comes with neap, before the clients of others.
local core = require "neap.core"
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local m = neap.middleware

local app = neap.app {}
app:use(m.real_ip { trusted = { "loopback" } })
app:use(m.request_id())
app:use(m.access_log())
app:use(m.cors { origins = { "https://app.example.org" }, credentials = true })
app:get("/boom", function() error "the secret of the house" end)
app:get("/events", function(req)
  local events <close> = req:events()
  events:send { data = "first" }
end)
app:use("handshakes", m.rate_limit { requests = 3, per = 600, of = "handshakes" })
app:use(m.basic_auth { users = { anna = "s3cret" } })
app:get("/", function(req)
  neap.sleep(0)
  return ("%s from %s"):format(req.ctx.user, req.remote)
end)
app:ws("/ws", function(conn, req)
  local user = req.ctx.user
  for data in conn:messages() do
    if data == "fail" then conn:spawn(error, "on purpose") end
    conn:send(("%s %s %s"):format(data, user, conn.remote))
  end
end)
return app
]]

local PYTHON = [[
import asyncio, base64, sys, websockets

async def attempt(port, password, remote):
    login = base64.b64encode(("anna:" + password).encode()).decode()
    headers = {"Authorization": "Basic " + login, "X-Forwarded-For": remote,
               "X-Request-Id": "py-" + remote}
    try:
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", extra_headers=headers) as w:
            await w.send("hi")
            print(await w.recv(), w.response_headers["X-Request-Id"])
    except websockets.InvalidStatusCode as refused:
        print(refused.status_code, refused.headers.get("Retry-After"),
              refused.headers.get("WWW-Authenticate"))

async def main(port):
    for password in ["s3cret", "wrong", "s3cret", "s3cret"]:
        await attempt(port, password, "203.0.113.7")
    await attempt(port, "s3cret", "2001:db8::7")

asyncio.run(main(sys.argv[1]))
]]

local function run(command)
  local pipe <close> = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  return pipe:read "a"
end

describe("middleware", function()
  local running

  before_each(function() running = server.start(SCRIPT, { "--leaks", "error" }) end)
  after_each(function()
    local status, out = running:stop()
    assert.matches("leaked=0", out)
    assert.equal(0, status)
  end)

  local function curl(path, words)
    return run(("curl -sS -i -m 10 %s 'http://127.0.0.1:%d%s'"):format(
      words or "", running.port, path))
  end

  it("stands before curl", function()
    local refused = curl "/"
    assert.matches("^HTTP/1.1 401 ", refused)
    assert.matches('WWW-Authenticate: Basic realm="neap", charset="UTF-8"\r\n', refused, 1, true)
    local answer = curl("/", "-u anna:s3cret -H 'X-Request-Id: from-curl' "
      .. "-H 'X-Forwarded-For: 6.6.6.6, 203.0.113.7'")
    assert.matches("\r\nX%-Request%-Id: from%-curl\r\n", answer)
    assert.matches("\r\n\r\nanna from 203%.0%.113%.7$", answer)
  end)

  it("answers the preflight of a browser", function()
    local answer = curl("/", "-X OPTIONS -H 'Origin: https://app.example.org' "
      .. "-H 'Access-Control-Request-Method: PUT'")
    assert.matches("^HTTP/1.1 204 ", answer)
    assert.matches("Access-Control-Allow-Origin: https://app.example.org\r\n", answer, 1, true)
  end)

  it("adds its headers to a stream, whose head leaves early", function()
    local answer = curl("/events", "-H 'Origin: https://app.example.org' -H 'X-Request-Id: s-1'")
    assert.matches("^HTTP/1.1 200 ", answer)
    assert.matches("Access-Control-Allow-Origin: https://app.example.org\r\n", answer, 1, true)
    assert.matches("X-Request-Id: s-1\r\n", answer, 1, true)
    assert.matches("data: first\n", answer, 1, true)
  end)

  it("tells a client nothing of an error, and the log all, with the request's id", function()
    local answer = curl("/boom", "-H 'X-Request-Id: boom-1'")
    assert.matches("^HTTP/1.1 500 .*\r\n\r\nInternal Server Error\n$", answer)
    assert.is_nil(answer:find "secret of")
    local _, _, log = running:stop()
    assert.matches("error in handler get /boom: [^\n]*the secret of the house [^\n]*id=boom%-1 ",
      log)
    assert.matches("\n    stack traceback:\n", log, 1, true)
    assert.matches("info request bytes=22 id=boom%-1 method=GET ms=[%d.]+ path=/boom "
      .. "remote=[%d.:]+ status=500\n", log)
  end)

  it("guards WebSockets before the upgrade, from python-websockets", function()
    local script = server.temporary ".py"
    local file = assert(io.open(script, "w"))
    file:write(PYTHON)
    file:close()
    local output = run(("/usr/bin/python3 %s %d"):format(script, running.port))
    os.remove(script)
    assert.equal('hi anna 203.0.113.7 py-203.0.113.7\n'
      .. '401 None Basic realm="neap", charset="UTF-8"\n'
      .. 'hi anna 203.0.113.7 py-203.0.113.7\n'
      .. '429 200 None\n'
      .. 'hi anna 2001:db8::7 py-2001:db8::7\n', output)
  end)

  it("names the request on what its connection logs later", function()
    local login = "Authorization: Basic " .. core.codec.base64 "anna:s3cret"
    local peer = ws.connect(running.port, "/ws", { login, "X-Request-Id: of-the-handshake" })
    peer:send "fail"
    assert.equal(1011, (peer:read_close()))
    peer:close()
    local _, _, log = running:stop()
    assert.matches("error in a task of connection #%d+: [^\n]*on purpose id=of%-the%-handshake\n",
      log)
  end)
end)
