--- Draining: the app's orderly end.
--
-- Connections are told, closed in batches, and dropped at the deadline; then
-- the services stop, the app's scope closes what is left, and so does the loop.

local core = require "neap.core"
local events = require "neap.events"
local guests = require "neap.guests"
local job = require "neap.job"
local log = require "neap.log"
local notify = require "neap.notify"
local scope = require "neap.scope"
local service = require "neap.service"
local task = require "neap.task"
local worker = require "neap.worker"

local drain = {}

local BATCH = 1000
local BATCH_SECONDS = 0.1
local LOOK_SECONDS = 0.01
local DROP_SECONDS = 1 -- for what was dropped to run its close handlers

local function all_conns()
  local conns = {}
  for conn in core.conns(true) do conns[#conns + 1] = conn end
  return conns
end

local function live(class)
  local counts = core.counts()[class]
  return counts and counts.live or 0
end

--- Returns how many connections one batch closes.
---@param count integer connections in all
---@param window number seconds until the deadline
---@return integer
function drain.batch_size(count, window)
  local batches = math.max(1, window / 2 // BATCH_SECONDS)
  return math.max(BATCH, math.ceil(count / batches))
end

local function close_in_batches(app, conns)
  local size = drain.batch_size(#conns, app.deadline - core.now())
  for i, conn in ipairs(conns) do
    core.close_as(conn, "drain", 1001, "the server is stopping")
    local more = i % size == 0 and i < #conns
    if more and core.now() < app.deadline then task.sleep(BATCH_SECONDS) end
  end
end

-- Looks where it found an open one the last time, since none opens again.
local function has_open(conns)
  local at = conns.at or 1
  while conns[at] and conns[at].state == "closed" do at = at + 1 end
  conns.at = at
  return conns[at] ~= nil
end

-- The deadline is read anew each time, since a second call may move it.
local function wait_until_closed(conns, deadline_of)
  while has_open(conns) do
    local left = deadline_of() - core.now()
    if left <= 0 then return end
    task.sleep(math.min(LOOK_SECONDS, left))
  end
end

local function drop_the_rest(conns)
  local forced, until_then = 0, core.now() + DROP_SECONDS
  for _, conn in ipairs(conns) do
    if conn.state ~= "closed" then
      forced = forced + 1
      conn:terminate()
    end
  end
  wait_until_closed(conns, function() return until_then end)
  return forced
end

-- Runs the routes' own handlers, up to their first wait, before the Close
-- frames go out.
local function tell(app, conns)
  local left = 0
  local function call(handler, conn)
    left = left - 1
    handler(conn, math.max(0, app.deadline - core.now()))
  end
  for _, conn in ipairs(conns) do
    local life = core.life(conn)
    local handler = life and life.on_draining
    if handler and conn:spawn(call, handler, conn) then left = left + 1 end
  end
  while left > 0 and core.now() < app.deadline do task.sleep(0.001) end
end

-- Their close handlers may still wait, until the deadline.
local function wait_for_guests(app)
  while guests.has_any(app.scope) and core.now() < app.deadline do task.sleep(LOOK_SECONDS) end
  guests.end_all(app.scope, "drain")
end

-- Handlers that were told of the end may still wait for something.
local function wait_for_tasks(app)
  local until_then = core.now() + app.scope.cancel_timeout
  while live "task" > 1 and core.now() < until_then do task.sleep(LOOK_SECONDS) end
end

-- New ones are still accepted, and told to come back later.
local function let_requests_go(app)
  events.end_all()
  local busy = 0
  for _, listener in ipairs(app.listeners) do busy = busy + listener:drain() end
  return busy
end

local function wait_for_answers(app)
  while let_requests_go(app) > 0 and core.now() < app.deadline do task.sleep(LOOK_SECONDS) end
end

local function close_listeners(app)
  for _, listener in ipairs(app.listeners) do listener:close() end
end

-- Runs one step; an error in it must not leave the process running for ever.
local function attempt(what, step, ...)
  local ok, result = xpcall(step, debug.traceback, ...)
  if ok then return result end
  log.error("error while stopping: " .. what, { trace = result })
end

-- A worker that never comes back is left behind when the process ends.
local function wait_for_workers(app)
  local left = math.max(0, app.deadline - core.now())
  local stuck = worker.wait_for_others(left + 2 * DROP_SECONDS + 4 * app.scope.cancel_timeout)
  if stuck == 0 then return end
  app.has_lost_workers = true
  log.error(("%d workers do not end: the process ends without them"):format(stuck))
end

local function run(app)
  local began, conns, cancelled = core.now(), all_conns(), job.cancelled
  attempt("ending idle connections", let_requests_go, app)
  attempt("telling connections", tell, app, conns)
  attempt("closing connections", close_in_batches, app, conns)
  attempt("waiting for connections", wait_until_closed, conns, function() return app.deadline end)
  attempt("waiting for answers", wait_for_answers, app)
  local forced = attempt("dropping connections", drop_the_rest, conns) or 0
  attempt("closing listeners", close_listeners, app)
  attempt("waiting for the connections' handlers", wait_for_guests, app)
  if not worker.is_other() then
    attempt("waiting for the other workers", wait_for_workers, app)
  end
  attempt("stopping services", service.stop_all, app, app.deadline, { cause = "drain" })
  attempt("closing the app's scope", app.scope.close, app.scope, { cause = "drain" })
  attempt("waiting for tasks", wait_for_tasks, app)
  app.receipt = {
    closed = #conns - forced,
    forced = forced,
    cancelled = job.cancelled - cancelled,
    took = core.now() - began,
  }
  core.stop()
end

--- Starts the drain of this worker, or brings the deadline of a running one
--- nearer.
---@param app table
---@param seconds number
---@return boolean started false when it was running already
function drain.begin(app, seconds)
  local deadline = core.now() + seconds
  if app.draining then
    app.deadline = math.min(app.deadline, deadline)
    return false
  end
  app.draining, app.deadline = true, deadline
  guests.shut_doors(app.scope)
  notify.stopping(("stopping: %d connections, %g s at most"):format(live "conn", seconds))
  scope.house:spawn(run, app)
  return true
end

--- The same of the process: worker 1 tells the others, and is told by them.
---@param app table
---@param seconds number
---@return boolean started false when it was running already
function drain.start(app, seconds)
  if worker.is_other() then
    worker.tell(1, "drain", seconds)
    return not app.draining
  end
  worker.drain_others(seconds)
  return drain.begin(app, seconds)
end

return drain
