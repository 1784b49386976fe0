-- A client whose server dies in every way, again and again. NEAP_LONG=1 makes it
-- two hundred times.
local core = require "neap.core"
local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"
local server = require "spec.support.server"
local socket = require "socket"

local CYCLES = os.getenv "NEAP_LONG" == "1" and 200 or 20

-- Writes down each message before anything else happens.
local SERVER = [[
  local neap = require "neap"
  local file = assert(io.open("%s", "a"))
  file:setvbuf "no"
  local app = neap.app{}
  app:ws("/", { message = function(_, data) file:write(data .. "\n") end })
  return app
]]

local function free_port()
  local probe = assert(socket.bind("127.0.0.1", 0))
  local _, port = probe:getsockname()
  probe:close()
  return math.tointeger(port)
end

local function start(world)
  for _ = 1, 50 do
    local running = server.start(SERVER:format(world.file),
      { listen = "http://127.0.0.1:" .. world.port, may_fail = true, "--drain", "1" })
    if running.port then return running end
    running:stop()
    neap.sleep(0.1)
  end
  error "the server does not start"
end

local function is_up(world)
  return world.client.state == "open" and world.client.ready and world.ups > world.before
end

-- A server that drains may send it away for a second.
local function wait_until_up(world)
  for _ = 1, 12000 do
    if is_up(world) then return end
    neap.sleep(0.005)
  end
  error("the client does not come back: " .. tostring(world.client))
end

-- Each ends the server's process, or what the client can see of it.
local ENDINGS = {
  function(running) running:stop "KILL" end,
  function(running, world) -- drains: the client must be there to hear it
    running:signal "TERM"
    while world.client.state == "open" do neap.sleep(0.001) end
    running:stop "KILL"
  end,
  function(running, world) -- the port is closed for a while
    running:stop "KILL"
    life.wait_until(function() return world.client.state ~= "open" end)
    neap.sleep(0.15)
  end,
  function(running, world) -- stands still, then goes on
    running:signal "STOP"
    neap.sleep(0.1)
    running:signal "CONT"
    wait_until_up(world)
    running:stop "KILL"
  end,
  function(running, world) -- half open: the kernel answers, and nobody else
    running:signal "STOP"
    life.wait_until(function() return world.client.state ~= "open" end)
    neap.sleep(0.2)
    running:stop "KILL"
  end,
}

local function note(set, messages)
  for _, message in ipairs(messages) do set[message.data] = (set[message.data] or 0) + 1 end
end

local function make_client(world)
  return neap.client {
    url = ("ws://127.0.0.1:%d/"):format(world.port), timeout = 0.3, confirm = 0.02,
    reconnect = { min = 0.01, max = 0.05, reset = 0 }, timeouts = { ping = 0.1, pong = 0.1 },
    on_up = function() world.ups = world.ups + 1 end,
    on_down = function(why) note(world.reported, why.unconfirmed) end,
    on_end = function(why)
      note(world.reported, why.unsent)
      world.has_ended = true
    end,
  }
end

-- Sends all the time, and looks how many sockets there are.
local function work(world, own)
  own:spawn(function()
    for number = 1, math.huge do
      local data = tostring(number)
      if world.client:send(data) then world.accepted[data] = true end
      if number % 8 == 0 then neap.sleep(0.001) end
    end
  end)
  own:every(0.002, function()
    local counts = core.counts()
    world.most = math.max(world.most, counts.stream.live + counts.socket.live)
  end)
end

local function read_numbers(path)
  local seen = {}
  for line in io.lines(path) do seen[line] = (seen[line] or 0) + 1 end
  return seen
end

local function check(world)
  local seen, sent, reported = read_numbers(world.file), 0, 0
  for data in pairs(world.accepted) do
    sent = sent + 1
    reported = reported + (world.reported[data] or 0)
    assert(seen[data] or world.reported[data], "lost and not reported: " .. data)
    assert((seen[data] or 0) <= 1, "came twice: " .. data)
  end
  assert.is_true(sent > 10 * CYCLES, sent)
  assert.is_true(reported < sent)
  assert.equal(1, world.most)
end

describe("a client through the restarts of its server", function()
  it("has one socket at most, and loses nothing that it does not report", function()
    log.configure { level = "error" }
    local world = {
      port = free_port(), file = os.tmpname(), ups = 0, before = 0, most = 0,
      accepted = {}, reported = {},
    }
    local _ <close> = setmetatable({}, { __close = function()
      if world.running then world.running:stop "KILL" end
    end })
    life.run(function()
      do
        local own <close> = neap.scope()
        local running
        world.client = make_client(world)
        work(world, own)
        for cycle = 1, CYCLES do
          world.before = world.ups
          running = start(world)
          world.running = running
          wait_until_up(world)
          neap.sleep(0.02)
          ENDINGS[(cycle - 1) % #ENDINGS + 1](running, world)
        end
        world.before = world.ups
        running = start(world)
        world.running = running
        wait_until_up(world)
        own:close()
        world.client:close()
        assert(world.client:wait_closed(60))
        life.wait_until(function() return world.has_ended end)
        running:stop()
      end
      assert.is_true(world.ups > CYCLES)
      check(world)
    end)
    os.remove(world.file)
    log.configure { level = "info" }
  end)
end)
