--- neap.test: for a user's own busted specs.
--
-- An app served in memory, connections without sockets, a clock that the test
-- moves, and two questions: does this leak, and does it leak however and
-- wherever the connection is cut?

local apps = require "neap.app"
local clients = require "neap.client"
local connect = require "neap.connect"
local core = require "neap.core"
local scope = require "neap.scope"
local service = require "neap.service"
local site = require "neap.site"
local task = require "neap.task"

local test = {}

-- ---- the census

local function live()
  local counts = {}
  for class, tally in pairs(core.counts()) do counts[class] = tally.live end
  return counts
end

local function what_grew(before)
  local grown = {}
  for class, count in pairs(live()) do
    local more = count - (before[class] or 0)
    if more > 0 then grown[#grown + 1] = ("%d %s more"):format(more, class) end
  end
  table.sort(grown)
  return grown[1] and table.concat(grown, ", ")
end

local LOOKS = 200 -- of 10 ms each

local function collect()
  collectgarbage()
  collectgarbage()
end

-- What is closing may need a few turns of the loop. What only the collector can
-- end is given less and less often to it: the test's own heap may be large.
local function wait_until_back(before, between)
  local next_collection = 1
  for look = 1, LOOKS do
    if not what_grew(before) then return nil end
    if look == next_collection then
      collect()
      next_collection = look * 2
    end
    between()
  end
  collect()
  return what_grew(before)
end

local function rest()
  task.sleep(0.01)
end

local function in_a_task(fn)
  if core.current() then return fn() end
  return task.run(fn)
end

--- Runs `fn` and raises unless everything that it opened is closed after it.
---@param fn function
---@return any result what fn returned
function test.no_leaks(fn)
  site.expect(fn, "function", "no_leaks' argument")
  return in_a_task(function()
    local before = live()
    local result = fn()
    local grown = wait_until_back(before, rest)
    if grown then site.fail("this leaks: %s than before", grown) end
    return result
  end)
end

-- ---- the clock

test.clock = {}

local STEP = 1 -- seconds; between two steps the loop may act on what is due

local function turn_loop()
  for _ = 1, 3 do task.sleep(0) end
end

--- Moves the time of timers, deadlines and neap.now forward; waits until what
--- was due has happened.
---@param seconds number
function test.clock.advance(_, seconds)
  site.expect(seconds, "number", "the time")
  while seconds > 0 do
    core.advance(math.min(STEP, seconds))
    seconds = seconds - STEP
    turn_loop()
  end
end

-- ---- an app in memory

local world_methods = {}
local world_mt = { __name = "neap.test.world", __index = world_methods }

--- Serves an app in memory, once its services are started.
---@param app table what neap.app returned; it is closed with the world
---@return table world with connect(path, options), cut(how), close()
function test.serve(app)
  local settings, handler, doors = apps.prepare(app)
  local ok, failure = service.start_all(app)
  if not ok then site.fail("%s", failure) end
  return setmetatable({
    app = app, settings = settings, handler = handler, doors = doors, pipes = {}, conns = {},
  }, world_mt)
end

-- What the next connection goes through.
function world_methods:pipe()
  local pipe, message, code = core.pipe {
    settings = self.settings, on_request = self.handler, doors = self.doors,
  }
  if not pipe then return nil, message, code end
  if self.plan then pipe:cut(self.plan.how, self.plan.at) end
  self.pipes[#self.pipes + 1] = pipe
  return pipe
end

--- Connects to a route of the app; waits.
---@param path string
---@param options table|nil those of neap.connect
---@return userdata|nil conn, or nil, message, code
function world_methods:connect(path, options)
  local pipe, message, code = self:pipe()
  if not pipe then return nil, message, code end
  local conn
  conn, message, code = connect.through(pipe, path, options)
  self.conns[#self.conns + 1] = conn
  return conn, message, code
end

--- Makes a neap.client of a route of the app: each time it connects through a
--- new pipe in memory, and its times are the test's clock's.
---@param path string
---@param options table|nil those of neap.client, without url
---@return table client
function world_methods:client(path, options)
  local given = { url = "ws://localhost" .. path }
  for name, value in pairs(options or {}) do given[name] = value end
  function given.dial(parsed, plan, on_state)
    on_state "connecting"
    if self.app.scope.state ~= "open" then return nil, "the app has ended", "refused" end
    local pipe, fault, kind = self:pipe()
    if not pipe then return nil, fault, kind end
    local conn, message, code, answer = connect.upgrade(pipe, parsed, plan)
    return conn, message, code, answer
  end
  return (clients.new(given))
end

--- Cuts every connection of the world, now.
---@param how "fin"|"reset"|"silence"|"stall"|"mute" as a network or a peer would
function world_methods:cut(how)
  for _, pipe in ipairs(self.pipes) do pipe:cut(how) end
end

-- The most writes that one of the connections has made.
local function count_writes(world)
  local most = 0
  for _, pipe in ipairs(world.pipes) do most = math.max(most, pipe:writes()) end
  return most
end

--- Closes the clients, stops the services, and closes the app.
function world_methods:close()
  for _, conn in ipairs(self.conns) do conn:close() end
  for _, pipe in ipairs(self.pipes) do pipe:close() end
  self.conns, self.pipes = {}, {}
  local deadline = core.now() + self.app.settled["timeouts.drain"]
  service.stop_all(self.app, deadline, { cause = "closed" })
  self.app.scope:close()
end

world_mt.__close = world_methods.close

--- Two open connections that are joined in memory, both held by the script.
---@param options table|nil {server = options of the route, client = of neap.connect}
---@return userdata client
---@return userdata server
function test.pair(options)
  options = options or {}
  local route, server = {}, nil
  for name, value in pairs(options.server or {}) do route[name] = value end
  function route.open(conn)
    conn:detach()
    server = conn
  end
  local app = apps.new()
  app:ws("/", route)
  local world = test.serve(app)
  local client, message = world:connect("/", options.client)
  if not client then site.fail("%s", message) end
  while not server do task.sleep(0) end
  return client, server
end

-- ---- cutting everywhere

local CUTS = { "fin", "reset", "silence", "stall", "mute" }
local MOST_SECONDS = 120 -- of the test's clock, for one cut

local function step()
  core.advance(STEP)
  turn_loop()
end

-- Runs the scenario while the clock moves, so that its waits come to their end.
local function play(scenario, world)
  local own, outcome = scope.new { label = "scenario", on_error = function() end }, nil
  own:spawn(function()
    outcome = table.pack(xpcall(scenario, debug.traceback, world))
  end)
  local left = MOST_SECONDS
  while not outcome and left > 0 do
    turn_loop()
    if not outcome then
      step()
      left = left - STEP
    end
  end
  own:close()
  return outcome
end

local function run_cut(scenario, make_app, plan)
  local before = live()
  local writes, outcome
  do
    local world = test.serve(make_app())
    world.plan = plan
    outcome = play(scenario, world)
    writes = count_writes(world)
    task.spawn(world.close, world) -- waits for deadlines, which the steps bring
  end
  return writes, outcome, wait_until_back(before, step)
end

local function check_uncut(scenario, make_app)
  local writes, outcome, grown = run_cut(scenario, make_app, nil)
  if not outcome then site.fail("the scenario does not end, even uncut") end
  if not outcome[1] then error(outcome[2], 0) end
  if grown then site.fail("the scenario leaks uncut: %s", grown) end
  return writes
end

--- Plays a scenario once as it is, then once for every way in which a connection
--- can be cut after each of its writes, and demands the census back each time.
---@param scenario fun(world: table) connects with world:connect; may fail when cut
---@param make_app fun(): table a fresh app for each run
---@return integer runs how many were played
function test.cut_everywhere(scenario, make_app)
  site.expect(scenario, "function", "cut_everywhere's scenario")
  site.expect(make_app, "function", "cut_everywhere's app")
  return in_a_task(function()
    local writes, runs = check_uncut(scenario, make_app), 1
    for _, how in ipairs(CUTS) do
      for at = 1, writes do
        local _, _, grown = run_cut(scenario, make_app, { how = how, at = at })
        if grown then site.fail("cut by %s after write %d: %s", how, at, grown) end
        runs = runs + 1
      end
    end
    return runs
  end)
end

return test
