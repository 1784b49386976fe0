-- What crowds do to a server: more of them than descriptors, a process that is
-- stopped for a while, peers that vanish all at once, handles that scripts drop.

local core = require "neap.core"
local dkjson = require "dkjson"
local life = require "spec.support.life"
local neap = require "neap"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

-- What is measured here is a build that people run, not one under a tool.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" or os.getenv "NEAP_WRAP" then return end

local LONG = os.getenv "NEAP_LONG" ~= nil

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { ping = 1, pong = 1, close = 5 } }
  app:ws("/", { message = function(_, data) return data end, close = function() end })
  app:ws("/flood", {
    limits = { queue = "16M" }, timeouts = { ping = 0 },
    open = function(conn) conn:send(("x"):rep(6000000), "binary") end,
    close = function() end,
  })
  return app
]]

local function start(options)
  options = options or {}
  table.move({ "--admin", "http://127.0.0.1:0" }, 1, 2, #options + 1, options)
  local running = server.start(SCRIPT, options)
  running.admin = math.tointeger(running.pipe:read("l"):match ":(%d+)$")
  return running
end

local function census(running)
  local answer = ws.ask(running.admin,
    "GET /census HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
  return dkjson.decode(answer.body).classes
end

local function wait_for(running, class, count, seconds)
  local till = socket.gettime() + seconds
  repeat
    if census(running)[class].live == count then return true end
    socket.sleep(0.05)
  until socket.gettime() > till
  return false
end

-- Seconds of user and system time: fields 14 and 15 of proc(5)'s stat.
local function cpu_of(pid)
  local file <close> = assert(io.open(("/proc/%d/stat"):format(pid)))
  local fields = {}
  for field in file:read("a"):match("%) (.*)"):gmatch "%S+" do fields[#fields + 1] = field end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

describe("more clients than descriptors", function()
  it("cost a starved server no CPU, are shed, and then it serves again", function()
    local few = ("sh -c 'ulimit -n 128; exec \"$@\"' sh %s/bin/neap"):format(
      os.getenv "NEAP_BUILD" or "build")
    local running <close> = start { command = few }
    local crowd = {}
    for i = 1, 600 do
      local tcp = socket.tcp()
      tcp:settimeout(0)
      tcp:connect("127.0.0.1", running.port)
      crowd[i] = tcp
    end
    socket.sleep(0.5)
    local before = cpu_of(running.pid)
    socket.sleep(2)
    local used = (cpu_of(running.pid) - before) / 2
    assert.is_true(used < 0.05, ("%.1f %% CPU"):format(used * 100))
    for _, tcp in ipairs(crowd) do tcp:close() end
    socket.sleep(1)
    local peer <close> = ws.connect(running.port, "/")
    peer:send "served again"
    assert.equal("served again", peer:receive())
  end)
end)

describe("a process that is stopped for 3 s", function()
  it("kills no peer that lives, and finds each one that is silent", function()
    local running <close> = start()
    local silent = {}
    neap.run(function()
      local conns, lost = {}, 0
      for i = 1, LONG and 6000 or 500 do
        conns[i] = assert(neap.connect(running.url .. "/"))
        conns[i]:spawn(function() conns[i]:wait_closed(); lost = lost + 1 end)
      end
      for i = 1, 50 do silent[i] = ws.connect(running.port, "/") end
      running:signal "STOP"
      neap.sleep(3)
      running:signal "CONT"
      neap.sleep(4)
      assert.equal(0, lost, "peers that were killed though they live")
      assert.is_true(wait_for(running, "conn", #conns, 5), "silent peers are left")
      for _, conn in ipairs(conns) do conn:terminate() end
    end)
    for _, peer in ipairs(silent) do peer:close() end
    life.check_census()
  end)
end)

describe("a crowd that vanishes at once", function()
  it("is gone within a second, with all that was queued for it", function()
    local running <close> = start()
    local peers = {}
    for i = 1, LONG and 1000 or 100 do peers[i] = ws.connect(running.port, "/flood") end
    assert.is_true(census(running).frame_buffer.bytes > 1e6 * #peers)
    for _, peer in ipairs(peers) do
      peer.tcp:setoption("linger", { on = true, timeout = 0 })
      peer.tcp:close()
    end
    assert.is_true(wait_for(running, "conn", 0, 1))
    assert.equal(0, census(running).frame_buffer.bytes)
  end)
end)

describe("a close", function()
  it("takes 5.1 s at most, whatever the peer does", function()
    local running <close> = start()
    local peers = {}
    for i = 1, 60 do
      local peer = ws.connect(running.port, i % 2 == 0 and "/flood" or "/")
      if i % 3 == 0 then peer.tcp:shutdown "send" end
      peers[i] = peer
    end
    local began = socket.gettime()
    running:signal "TERM"
    assert.equal(0, (running:wait()))
    assert.is_true(socket.gettime() - began < 5.6, "drained after its close deadline")
    for _, peer in ipairs(peers) do peer:close() end
  end)
end)

describe("handles that a script drops", function()
  it("never hold more than 512 descriptors, though the heap is large", function()
    local ballast = {}
    for i = 1, 200000 do ballast[i] = { i } end
    life.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local most = 0
      for _ = 1, LONG and 100000 or 3000 do
        life.forget(function() world:connect "/" end)
        most = math.max(most, core.counts().stream.live)
      end
      assert.is_true(most <= 2 * 512, most .. " streams, two for each connection")
    end)
    assert.equal(200000, #ballast)
  end)
end)
