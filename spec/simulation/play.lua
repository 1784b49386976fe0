-- One run: an app in memory, its clients, and a network and a clock that the seed
-- drives. Nothing else moves it, so a seed plays the same each time.

local core = require "neap.core"
local log = require "neap.log"
local make_app = require "spec.simulation.app"
local neap = require "neap"
local script = require "spec.simulation.script"
local test = require "neap.test"
local watches = require "spec.simulation.watch"

local random = math.random

local function any(list) return list[random(#list)] end

local function turn(times)
  for _ = 1, times do neap.sleep(0) end
end

-- ---- clients

local function connect(run, path)
  local deflate = random(2) == 1 and {} or false
  local conn, _, code = run.watch:wait("connecting to " .. path, run.world.connect, run.world,
    path, { deflate = deflate, timeouts = { ping = 5, pong = 2, close = 2 } })
  run.watch:note("connected to %s: %s", path, conn and "yes" or code)
  return conn
end

local function visit(run, name)
  local conn = connect(run, any { "/task", "/calls", "/calls" })
  if not conn then return end
  run.watch:count "connections"
  conn:defer(run.watch:once(name .. "'s scope has ended"))
  conn:defer(function(why) run.watch:count("cause " .. why.cause) end)
  script.play({ conn = conn, name = name, watch = run.watch, app = run.app }, 8)
  conn:close()
end

-- What comes back is what was sent, in order and without a gap.
local function converse(run, name)
  local conn = connect(run, "/echo")
  if not conn then return end
  local sent, came = 0, 0
  for _ = 1, random(20) do
    if random(2) == 1 then
      if conn:send(("%d %s"):format(sent + 1, ("e"):rep(random(0, 3000)))) then sent = sent + 1 end
    else
      local data = run.watch:wait(name .. " hears an echo", conn.receive, conn, 0.2)
      if data then
        came = came + 1
        if tonumber(data:match "^%d+") ~= came or came > sent then
          run.watch:fault("%s hears %s for %d", name, data:sub(1, 8), came)
        end
      end
    end
  end
  run.watch:count "connections"
  conn:close()
end

-- A neap.client, which comes back when it is cut.
local function stay(run, name)
  local ended = run.watch:once(name .. " has ended")
  local client = run.world:client("/echo", {
    reconnect = { min = 0.1, max = 2 }, outbox = "16K", on_end = function() ended() end,
  })
  for _ = 1, random(15) do
    if random(2) == 1 then client:send(("c"):rep(random(0, 4000))) end
    run.watch:wait(name .. " hears an echo", client.receive, client, random(0, 1000) / 1000)
  end
  run.watch:count "connections"
  client:close()
end

local function add_client(run)
  run.clients = run.clients + 1
  local name = "client" .. run.clients
  run.own:spawn(any { visit, visit, converse, stay }, run, name)
end

-- ---- what happens from outside

local function any_pipe(run)
  local pipes = run.world.pipes
  return pipes[1] and pipes[random(#pipes)]
end

local function hold(run)
  local pipe, side = any_pipe(run), any { "client", "server" }
  if pipe then pipe:hold(side, random(2) == 1) end
end

local function narrow(run)
  local pipe = any_pipe(run)
  if pipe then pipe:narrow(any { 0, 1, 7, 1000 }, any { 10, 500, 20000, 262144 }) end
end

local function cut(run)
  local pipe, how = any_pipe(run), any { "fin", "reset", "silence", "stall", "mute" }
  if not pipe then return end
  run.watch:count "cuts"
  run.watch:count("cut " .. how)
  run.watch:note("cut by %s", how)
  pipe:cut(how, random(2) == 1 and pipe:writes() + random(5) or nil)
end

local function let_all_go(run)
  for _, pipe in ipairs(run.world.pipes) do
    pipe:hold("client", false)
    pipe:hold("server", false)
    pipe:narrow(0, 262144)
  end
end

local function move()
  core.advance(any { 0.001, 0.01, 0.1, 0.5, 1, 3 })
end

local function close_one(run)
  local conns = run.world.conns
  local conn = conns[1] and conns[random(#conns)]
  if conn then conn:close(4001, "from outside") end
end

-- Some of the next allocations fail, in builds that let them.
local function starve(run)
  local after, count = random(0, 300), any { 1, 1, 1, 2, 5 }
  if not (run.is_starved and core.starve) then return end
  run.watch:count "shortages"
  run.watch:note("short of memory")
  core.starve(after, count)
end

local STEPS = {
  move, move, move, move, move, add_client, add_client, hold, narrow, cut, let_all_go, close_one,
  starve, starve,
  function(run) run.app:publish("b", ("o"):rep(random(0, 20000))) end,
  function() collectgarbage() end,
}

-- ---- a run

local function close_conns(run)
  for conn in core.conns() do
    if random(4) == 1 then conn:terminate() else conn:close(1001) end
    if random(4) == 1 then turn(1) end
  end
  run.watch:note "connections are closed"
end

-- The connections before their app, as a drain does it, too.
local function end_in_some_order(run)
  local ends = { function() run.own:close() end, function() close_conns(run) end }
  if random(2) == 1 then ends[1], ends[2] = ends[2], ends[1] end
  for _, step in ipairs(ends) do
    neap.spawn(step)
    turn(random(3))
  end
  for _ = 1, 20 do
    core.advance(any { 0.1, 0.5 })
    turn(2)
  end
  neap.spawn(run.world.close, run.world)
end

local function start(run)
  run.app = make_app(run.watch)
  run.world = test.serve(run.app)
  run.own = neap.scope {
    label = "clients",
    on_error = function(err)
      local is_short = run.is_starved and tostring(err):find "out of memory"
      if err ~= "on purpose" and not is_short then
        run.watch:fault("a client fails: %s", tostring(err))
      end
    end,
  }
  run.clients = 0
end

local function drive(run)
  core.trim()
  start(run)
  run.is_starved = random(3) == 1
  for i = 1, random(10, 50) do
    any(STEPS)(run)
    turn(random(4))
    run.watch:check_step()
    if i % 16 == 0 then run.watch:check_audit() end
  end
  if random(8) == 1 then
    run.watch:note "drain"
    run.app:drain { deadline = 4 }
  else
    end_in_some_order(run)
  end
  for _ = 1, 60 do -- all deadlines of all
    core.advance(0.5)
    turn(2)
    run.watch:check_step()
  end
end

-- ---- after it

local function what_is_left()
  for class, tally in pairs(core.counts()) do
    local is_ours = class == "task" or class == "scope"
    if tally.live > (is_ours and 1 or 0) then return ("%d %s"):format(tally.live, class) end
  end
end

-- A drain has stopped the loop, and all that waited in it.
local function settle(run)
  if core.starve then core.starve() end
  let_all_go(run)
  neap.spawn(run.own.close, run.own)
  neap.spawn(run.world.close, run.world)
  local left
  for _ = 1, 100 do
    collectgarbage()
    collectgarbage()
    left = what_is_left()
    if not left then break end
    core.advance(1)
    turn(4)
  end
  if left then run.watch:fault("left at the end: %s", left) end
  run.watch:check_end()
  run.watch:check_audit()
end

local function attempt(run, what, fn)
  local ok, err = pcall(neap.run, fn, run)
  if not ok then run.watch:fault("%s fails: %s", what, tostring(err)) end
end

-- All runs begin at a multiple of GRAIN seconds, and between EPOCH and its double:
-- there a double's last digit is worth the same, so that times are rounded alike
-- in each of them, whatever the machine's clock says and however many came before.
-- What a loop does when it rests comes from here on at the same times, too.
local EPOCH, GRAIN = 2.0 ^ 23, 512

local function rest()
  local now = core.now()
  core.advance(math.max(EPOCH, (now // GRAIN + 1) * GRAIN) - now)
  turn(3)
end

--- Plays a seed: its watch, with the faults and the trace.
return function(seed)
  collectgarbage()
  collectgarbage()
  collectgarbage "stop" -- the seed says when
  math.randomseed(seed)
  core.hold_clock(true)
  neap.run(rest)
  log.configure { write = function() end }
  local run = { watch = watches.new() }
  attempt(run, "the run", drive)
  if run.world then attempt(run, "the end", settle) end
  core.hold_clock(false)
  collectgarbage "restart"
  return run.watch
end
