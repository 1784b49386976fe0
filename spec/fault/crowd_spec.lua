-- What crowds do to a server: a process that is stopped for a while, peers that do
-- not close, handles that scripts drop.

local core = require "neap.core"
local dkjson = require "dkjson"
local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

-- What is measured here is a build that people run, not one under a tool.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" or os.getenv "NEAP_WRAP" then return end

local LONG = os.getenv "NEAP_LONG" ~= nil

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { ping = 1, pong = 1, idle = 2, close = 5 } }
  local fair = require "spec.support.fair"
  local began, fairly, slowest
  local function note_end()
    slowest = began and ("%f %f"):format(neap.now() - began, fair.now() - fairly)
  end
  app:ws("/", { message = function(_, data) return data end, close = note_end })
  app:ws("/flood", {
    limits = { queue = "16M" }, timeouts = { ping = 0, idle = 0 },
    open = function(conn) conn:send(("x"):rep(6000000), "binary") end,
    close = note_end,
  })
  app:get("/close_all", function()
    began, fairly = neap.now(), fair.now()
    app:each(function(conn) conn:close() end)
    return "begun"
  end)
  app:get("/slowest", function() return tostring(slowest) end)
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

describe("a process that is stopped for 3 s", function()
  it("kills no peer that lives, and finds each one that is silent", function()
    local running <close> = start()
    local silent = {}
    neap.run(function()
      local conns, lost = {}, 0
      for i = 1, LONG and 6000 or 500 do
        conns[i] = assert(neap.connect(running.url .. "/"))
        conns[i]:spawn(function() conns[i]:wait_closed(); lost = lost + 1 end)
        conns[i]:every(0.5, function() conns[i]:send "alive" end)
      end
      for i = 1, 50 do silent[i] = ws.connect(running.port, "/") end
      running:signal "STOP"
      neap.sleep(3)
      running:signal "CONT"
      neap.sleep(4)
      assert.equal(0, lost, "peers that were killed though they live")
      assert.is_true(wait_for(running, "conn", #conns, 20), "silent peers are left")
      for _, conn in ipairs(conns) do conn:terminate() end
    end)
    for _, peer in ipairs(silent) do peer:close() end
    life.check_census()
  end)
end)

describe("a close", function()
  it("takes little more than its deadline, whatever the peer does", function()
    local running <close> = start()
    local peers = {}
    for i = 1, LONG and 600 or 60 do
      local peer = ws.connect(running.port, i % 2 == 0 and "/flood" or "/")
      if i % 3 == 0 then peer.tcp:shutdown "send" end
      peers[i] = peer
    end
    ws.ask(running.port, "GET /close_all HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert.is_true(wait_for(running, "conn", 0, 20), "some never closed")
    local answer = ws.ask(running.port,
      "GET /slowest HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    local slowest, fairly = answer.body:match "(%S+) (%S+)"
    assert.is_true(tonumber(slowest) > 4.9, "none of them needed the deadline")
    -- The machine, too, may stand still for a moment.
    assert.is_true(tonumber(fairly) <= 5.6, ("one took %s s"):format(fairly))
    for _, peer in ipairs(peers) do peer:close() end
  end)
end)

describe("handles that a script drops", function()
  setup(function() log.configure { level = "error" } end) -- a line for each would be thousands
  teardown(function() log.configure { level = "info" } end)

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
