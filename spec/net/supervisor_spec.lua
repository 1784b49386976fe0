-- What a supervisor hears: READY, RELOADING, STOPPING, and signs of life.

local process = require "spec.support.process"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { turn = 0, close = 0.2 } }
  app:service { name = "slow", start = function() neap.sleep(0.1) end }
  app:ws("/", { message = function(conn, data)
    if data == "env" then
      local pipe <close> = io.popen "echo $NOTIFY_SOCKET$WATCHDOG_USEC"
      return pipe:read "l"
    end
    if data == "where" then return tostring(neap.worker.index) end
    local until_then = os.clock() + 2.5
    while os.clock() < until_then do end
    return "done"
  end })
  return app
]]

local build = os.getenv "NEAP_BUILD" or "build"

local function listen(path)
  return process.start("/usr/bin/python3 spec/support/supervisor.py notify " .. path)
end

local function start(path, more, ...)
  return server.start(SCRIPT, {
    command = ("env NOTIFY_SOCKET=%s %s %s/bin/neap"):format(path, more or "", build), ... })
end

local function read_until(notified, pattern)
  local seen = {}
  repeat
    local line = notified:read()
    seen[#seen + 1] = line
  until not line or line:find(pattern)
  return seen[#seen], seen
end

-- The longest time without a sign of life, until one is longer than a second.
local function longest_silence(notified)
  local longest, last = 0, socket.gettime()
  local deadline = last + 20
  repeat
    notified:read()
    longest, last = math.max(longest, socket.gettime() - last), socket.gettime()
  until longest > 1 or last > deadline
  return longest
end

describe("The supervisor", function()
  local path

  before_each(function() path = server.temporary ".notify" end)
  after_each(function() os.remove(path) end)

  it("hears that the server is ready, reloads, is ready again, and stops", function()
    local notified <close> = listen(path)
    local running <close> = start(path)
    local listening = "listening on http://127.0.0.1:" .. running.port
    assert.equal("READY=1|STATUS=" .. listening, notified:read())
    local before = tonumber(assert(io.open "/proc/uptime"):read "n") * 1e6 // 1 - 1e6
    running:signal "HUP"
    local usec = notified:read():match "^RELOADING=1|MONOTONIC_USEC=(%d+)|STATUS=reloading$"
    assert.is_true(tonumber(usec) > before and tonumber(usec) < before + 60e6)
    assert.equal("READY=1|STATUS=" .. listening, notified:read())
    local client <close> = ws.connect(running.port, "/")
    running:signal "TERM"
    assert.equal("STOPPING=1|STATUS=stopping: 1 connections, 25 s at most", notified:read())
    assert.equal(0, (running:wait()))
    client:close()
  end)

  it("is reached by an abstract name too", function()
    local name = "@neap-" .. path:match "[^/]+$"
    local notified <close> = listen(name)
    local running <close> = start(name)
    assert.matches("^READY=1|", notified:read())
    assert.equal(0, (running:stop()))
  end)

  it("does not share its socket with programs that the script starts", function()
    local _ <close> = listen(path)
    local running <close> = start(path, "WATCHDOG_USEC=100000000")
    local client <close> = ws.connect(running.port, "/")
    client:send "env"
    assert.equal("", client:receive())
  end)

  it("may be gone, and nobody minds", function()
    local running <close> = start("/nowhere/at/all", "WATCHDOG_USEC=20000")
    local client <close> = ws.connect(running.port, "/")
    client:send "env"
    assert.equal("", client:receive())
    assert.equal(0, (running:stop()))
  end)

  it("gets signs of life at half its time, and none while the loop is stuck", function()
    local notified <close> = listen(path)
    local running <close> = start(path, "WATCHDOG_USEC=400000")
    for _ = 1, 3 do assert.equal("WATCHDOG=1", (read_until(notified, "^WATCHDOG"))) end
    local client <close> = ws.connect(running.port, "/")
    client:send "stuck"
    assert.is_true(longest_silence(notified) > 1)
    assert.equal("done", client:receive())
    assert.equal(0, (running:stop()))
    assert.truthy((read_until(notified, "^STOPPING=1")))
  end)

  it("gets none while a worker is stuck", function()
    local notified <close> = listen(path)
    local running <close> = start(path, "WATCHDOG_USEC=400000", "--workers", "2")
    assert.equal("WATCHDOG=1", (read_until(notified, "^WATCHDOG")))
    local clients = {}
    for i = 1, 300 do -- until one reaches the second worker
      clients[i] = ws.connect(running.port, "/")
      clients[i]:send "where"
      if clients[i]:receive() == "2" then break end
    end
    clients[#clients]:send "stuck"
    assert.is_true(longest_silence(notified) > 1)
    for _, client in ipairs(clients) do client:close() end
    assert.equal(0, (running:stop()))
  end)

  it("is told by its pid whose watchdog it is", function()
    local notified <close> = listen(path)
    local running <close> = start(path, "WATCHDOG_USEC=20000 WATCHDOG_PID=1")
    socket.sleep(0.3)
    assert.equal(0, (running:stop()))
    assert.not_matches("WATCHDOG", notified:stop())
  end)
end)
