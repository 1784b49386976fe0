-- Serving and stopping on the real core, each server a process of its own.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{}
app:get("/page", function() return "page" end)
app:get("/stop", function() app:stop() return "stopping" end)
app:ws("/", {message = function(_, data) return data end})
app:ws("/told", {draining = function(conn, deadline)
  conn:send(deadline > 20 and deadline <= 25 and "soon" or tostring(deadline))
end})
return app
]]

local build = os.getenv "NEAP_BUILD" or "build"

-- lua5.4 as it comes, told only where the modules are.
local STOCK = ("env 'LUA_PATH=%s;;' 'LUA_CPATH=%s;;' lua5.4"):format(
  "./lua/?.lua;./lua/?/init.lua", build .. "/?.so")

local RECEIPT = "neap: drained closed=(%d+) forced=(%d+) cancelled=%d+ leaked=(%d+) took=[%d.]+\n$"

describe("a server that stops", function()
  it("tells the routes that want to know, before it closes", function()
    local running <close> = server.start(SCRIPT)
    local client <close> = ws.connect(running.port, "/told")
    running:signal "TERM"
    assert.equal("soon", client:receive())
    assert.equal(1001, (client:read_close()))
    client:send_close(1001)
  end)

  it("lets nobody new in, but still answers", function()
    local running <close> = server.start(SCRIPT)
    local silent <close> = ws.connect(running.port)
    running:signal "TERM"
    assert.equal(1001, (silent:read_close()))
    local refused = ws.ask(running.port, ws.head(running.port, "/"))
    assert.equal(503, refused.status)
    assert.equal("5", refused["retry-after"])
    local page = ws.ask(running.port,
      "GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert.equal("page", page.body)
  end)

  it("ends at once at a second signal, with 130", function()
    local running <close> = server.start(SCRIPT)
    local silent <close> = ws.connect(running.port)
    running:signal "TERM"
    assert.equal(1001, (silent:read_close()))
    running:signal "INT"
    assert.equal(130, (running:wait()))
  end)

  it("goes on at SIGHUP", function()
    local running <close> = server.start(SCRIPT)
    running:signal "HUP"
    local client <close> = ws.connect(running.port)
    client:send "still here"
    assert.equal("still here", client:receive())
  end)

  it("drops everybody when the app says stop", function()
    local running <close> = server.start(SCRIPT)
    local _ <close> = ws.connect(running.port)
    ws.ask(running.port, "GET /stop HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    local status, out = running:wait()
    assert.equal(0, status)
    assert.same({ "0", "1", "0" }, { out:match(RECEIPT) })
  end)

  it("ends what connections own before what the app owns", function()
    local running <close> = server.start [[
      local neap = require "neap"
      local app = neap.app{timeouts = {cancel = 0.1}}
      app:defer(function(why) print("app " .. why.cause) end)
      app:ws("/", function(conn)
        conn:defer(function(why) print(("conn %s %d"):format(why.cause, why.code)) end)
        local _ <close> = setmetatable({}, {__close = function() print "task" end})
        while true do neap.sleep(10) end
      end)
      return app
    ]]
    local client <close> = ws.connect(running.port)
    running:signal "TERM"
    assert.equal(1001, (client:read_close()))
    client:send_close(1001)
    client:close()
    local status, out = running:wait()
    assert.equal(0, status)
    assert.matches("^task\nconn drain 1001\napp drain\nneap: drained closed=1 forced=0 ", out)
  end)

  it("may be a script of its own, under stock lua5.4", function()
    local text = SCRIPT:gsub("return app\n",
      'os.exit(app:run{listen = "http://127.0.0.1:0"}, true)\n')
    local running <close> = server.start(text, { program = STOCK })
    local client <close> = ws.connect(running.port)
    client:send "hello"
    assert.equal("hello", client:receive())
    client:close()
    local status, out = running:stop()
    assert.equal(0, status)
    assert.matches(RECEIPT, out)
  end)
end)
