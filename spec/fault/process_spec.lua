-- What may happen to a whole process: a wall clock that jumps, a full disk under
-- its log, SIGKILL and the next process in its place, SIGSTOP in the midst.

local crowds = require "spec.support.crowd"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

-- Its library comes in the place that a tool's would have.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" or os.getenv "NEAP_WRAP" then return end

local NEAP = (os.getenv "NEAP_BUILD" or "build") .. "/bin/neap"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { ping = 0.2, pong = 1, close = 0.5 } }
  app:ws("/", {
    open = function(conn) conn.data = neap.now() end,
    message = function(conn, data)
      if data == "fail" then error "on purpose" end
      if data ~= "later" then return data end
      local began = neap.now()
      conn:after(0.3, function() conn:send(("%.3f"):format(neap.now() - began)) end)
    end,
  })
  return app
]]

-- Reads on, answering pings, until there is a message.
local function receive(peer)
  while true do
    local frame = assert(peer:read())
    if frame.opcode == ws.PING then
      peer:send(frame.payload, ws.PONG)
    else
      return frame.payload, frame.opcode
    end
  end
end

local function echoes(port, text)
  local peer <close> = ws.connect(port, "/")
  peer:send(text)
  return receive(peer) == text
end

describe("a wall clock that jumps by years at each look", function()
  it("moves no deadline, and neither kills nor saves a connection", function()
    local library = crowds.compile("clock_jump", "-shared -fPIC")
    local running <close> = server.start(SCRIPT,
      { command = ("env LD_PRELOAD=%s %s"):format(library, NEAP) })
    local lively <close> = ws.connect(running.port)
    local silent <close> = ws.connect(running.port)
    local began = socket.gettime()
    for _ = 1, 5 do
      lively:send "later"
      local took = tonumber((receive(lively)))
      assert.is_true(took >= 0.3 and took < 20, took)
    end
    assert.is_true(silent:is_ended()) -- it answered no ping
    assert.is_true(socket.gettime() - began > 1)
    lively:send "fail"
    assert.equal(ws.CLOSE, select(2, receive(lively)))
    assert.matches("on purpose", running:log())
    local status, out = running:stop()
    assert.equal(0, status)
    assert.matches("took=%d%.", out)
    os.remove(library)
  end)
end)

describe("a log on a full disk", function()
  it("stops nothing, and neither does a full stdout", function()
    local running <close> = server.start(SCRIPT,
      { command = ("sh -c 'exec \"$@\" 2>/dev/full' sh %s"):format(NEAP), "--log-level", "debug" })
    for _ = 1, 20 do
      local peer <close> = ws.connect(running.port)
      peer:send "fail"
      assert.equal(1011, (peer:read_close()))
    end
    assert.is_true(echoes(running.port, "still here"))
    assert.equal(0, (running:stop()))

    local port = running.port
    local deaf <close> = server.start(SCRIPT, {
      command = ("sh -c 'exec \"$@\" >/dev/full' sh %s"):format(NEAP),
      listen = "http://127.0.0.1:" .. port, may_fail = true,
    })
    local is_up
    for _ = 1, 100 do
      is_up = pcall(echoes, port, "without a greeting")
      if is_up then break end
      socket.sleep(0.05)
    end
    assert.is_true(is_up)
    assert.equal(0, (deaf:stop()))
  end)
end)

describe("a process that is killed", function()
  it("leaves its port to the next one at once", function()
    local first <close> = server.start(SCRIPT)
    local peers = {}
    for i = 1, 20 do peers[i] = ws.connect(first.port) end
    first:signal "KILL"
    local began = socket.gettime()
    local second <close> = server.start(SCRIPT, { listen = "http://127.0.0.1:" .. first.port })
    assert.is_true(echoes(second.port, "again"))
    local took = socket.gettime() - began
    assert.is_true(took < 15, ("%.2f s"):format(took)) -- TIME_WAIT would be 60
    for _, peer in ipairs(peers) do peer:close() end
  end)

  it("leaves its socket file to the next one", function()
    local path = server.temporary ".sock"
    local listen = { listen = "unix:" .. path, may_fail = true }
    local first <close> = server.start(SCRIPT, listen)
    assert.matches("listening on unix:", first.greeting)
    first:signal "KILL"
    first:wait()
    local second <close> = server.start(SCRIPT, listen)
    assert.matches("listening on unix:", second.greeting)
    second:stop()
    assert.is_nil(io.open(path))
  end)
end)

describe("a process that is stopped in the midst of a message", function()
  it("goes on where it was", function()
    local running <close> = server.start(SCRIPT)
    local peer <close> = ws.connect(running.port)
    local text = ("x"):rep(300000)
    local bytes = ws.frame { opcode = ws.TEXT, payload = text }
    peer:raw(bytes:sub(1, 100000))
    for at = 100001, #bytes, 50000 do
      running:signal "STOP"
      peer:raw(bytes:sub(at, at + 49999))
      socket.sleep(0.02)
      running:signal "CONT"
    end
    assert.equal(text, (receive(peer)))
    assert.equal(0, (running:stop()))
  end)
end)
