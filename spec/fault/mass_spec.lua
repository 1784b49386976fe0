-- Thousands at once: more clients than descriptors, and a crowd that is reset in
-- one moment with much still queued for it.

local crowd = require "spec.support.crowd"
local dkjson = require "dkjson"
local fair = require "spec.support.fair"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

-- What is measured here is a build that people run, not one under a tool.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" or os.getenv "NEAP_WRAP" then return end

local LONG = os.getenv "NEAP_LONG" ~= nil
local MEBIBYTE = 2 ^ 20

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { ping = 0, write = 0 }, limits = { queue = "1M" } }
  local count = 0
  held = {} -- a global: the collector must not close them
  for i = 1, tonumber(os.getenv "HELD" or 0) do held[i] = assert(io.open "/dev/null") end
  app:ws("/", { message = function(_, data) return data end })
  app:ws("/queued", {
    open = function(conn) conn:send(("x"):rep(80000), "binary") end,
    close = function(_, why)
      count = count + 1
      assert(why.cause == "reset", why.cause)
    end,
  })
  app:get("/closed", function() return tostring(count) end)
  return app
]]

local programs = {}

local function command(prefix)
  return ("%s %s/bin/neap"):format(prefix, os.getenv "NEAP_BUILD" or "build")
end

local function start(prefix)
  local running = server.start(SCRIPT,
    { "--admin", "http://127.0.0.1:0", command = command(prefix) })
  running.admin = math.tointeger(running.pipe:read("l"):match ":(%d+)$")
  return running
end

local function get(port, path)
  local answer = ws.ask(port, ("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n")
    :format(path, port))
  return assert(answer, "no answer to " .. path).body
end

local function census(running)
  return dkjson.decode(get(running.admin, "/census"))
end

-- Seconds of user and system time: fields 14 and 15 of proc(5)'s stat.
local function cpu_of(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  local fields = {}
  for field in file:read("a"):match("%) (.*)"):gmatch "%S+" do fields[#fields + 1] = field end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

local function resident(pid)
  for line in io.lines(("/proc/%d/status"):format(pid)) do
    local kib = line:match "^VmRSS:%s+(%d+)"
    if kib then return kib * 1024 end
  end
end

setup(function()
  programs.crowd = crowd.compile "crowd"
  programs.small_buffers = crowd.compile("small_buffers", "-shared -fPIC")
end)

teardown(function()
  for _, path in pairs(programs) do os.remove(path) end
end)

-- Seconds. A second is what it takes; 1,700 who wait in the kernel's queue are
-- looked at before the one who asks.
local BACK_WITHIN = 3

describe("2,000 clients of a server with 256 descriptors", function()
  local function overrun(held)
    local running <close> = start(
      ("env HELD=%d sh -c 'ulimit -n 256; exec \"$@\"' sh"):format(held))
    local clients <close> = crowd.start(programs.crowd, running.port, 2000)
    assert.equal(2000, clients.open)
    socket.sleep(0.5)
    local before = cpu_of(running.pid)
    socket.sleep(2)
    local used = (cpu_of(running.pid) - before) / 2
    assert.is_true(used < 0.2, ("%.1f %% CPU"):format(used * 100))
    local dead = clients:dead()
    assert.is_true(dead >= 5, dead .. " were let go")
    clients:say "close"
    local function now() return fair.now(running.pid, clients.pid) end
    local began = now()
    local asked, is_in, found = 0
    repeat
      asked = asked + 1
      is_in, found = pcall(ws.connect, running.port, "/")
    until is_in or now() - began > BACK_WITHIN
    local peer <close> = assert(is_in and found, found)
    peer:send "served again"
    assert.equal("served again", peer:receive())
    assert.is_true(now() - began < BACK_WITHIN, "service came back late")
    local counts = census(running)
    local counted = counts.shed + counts.refused
    assert.is_true(counted >= dead and counted <= dead + asked + 40,
      ("%d counted, %d seen, asked %d times"):format(counted, dead, asked))
    return counts
  end

  it("cost it no CPU, are refused and counted, and then it serves again", function()
    assert.equal(0, overrun(0).shed)
  end)

  it("are shed and counted, when the script holds what the server reckoned with", function()
    assert.is_true(overrun(100).shed >= 5)
  end)
end)

describe("a crowd with 64 KiB queued for each", function()
  it("that is reset at once is told within 1 s, and its memory back within 2 s", function()
    local count = LONG and 9000 or 3000
    local running <close> = start("env LD_PRELOAD=" .. programs.small_buffers)
    get(running.port, "/closed")
    local before = resident(running.pid)
    local clients <close> = crowd.start(programs.crowd, running.port, count, "/queued")
    assert.equal(count, clients.open)
    local held = census(running).classes
    assert.equal(count, held.conn.live)
    assert.is_true(held.frame_buffer.bytes >= 65536 * count, held.frame_buffer.bytes // count)

    local closed
    local function now() return fair.now(running.pid, clients.pid) end
    local began = now()
    clients:say "reset"
    repeat
      closed = tonumber(get(running.port, "/closed"))
    until closed == count or now() > began + 5
    local told = now() - began
    assert.equal(count, closed)
    assert.is_true(told < 1, ("all close events took %.3f s"):format(told))

    local more
    repeat
      socket.sleep(0.05)
      more = resident(running.pid) - before
    until more < 4 * MEBIBYTE or now() > began + 5
    local back = now() - began
    assert.is_true(back < 2, ("memory took %.3f s, %.1f MiB left"):format(back, more / MEBIBYTE))
    assert.equal(0, census(running).classes.frame_buffer.bytes)
  end)
end)
