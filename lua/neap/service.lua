--- Services: what is started, in order, before the app accepts, and stopped in
--- reverse after its connections.
--
-- Each start has a scope of its own, which ends all that it began. A start that
-- succeeded is followed by one stop, however the scope ends.

local backoff = require "neap.backoff"
local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"
local log = require "neap.log"
local provide = require "neap.provide"
local scope = require "neap.scope"
local site = require "neap.site"
local values = require "neap.values"
local wait = require "neap.wait"

local service = {}

local START_SECONDS = 30

local OPTIONS = {
  name = "string", start = "function", stop = "function or nil", needs = "table or nil",
  each_worker = "boolean or nil", restart = "table or boolean or nil",
}

--- Declares a service.
---@param registry table
---@param given table name, start, stop, needs, each_worker, restart
function service.add(registry, given)
  site.options(given, OPTIONS, "app:service")
  local whose = ('app:service("%s")'):format(given.name)
  local restart = given.restart == true and {} or given.restart
  provide.add(registry, {
    name = given.name, kind = "service", needs = given.needs, start = given.start,
    stop = given.stop, each_worker = given.each_worker,
    backoff = restart and backoff.new(restart, whose .. "'s restart"),
  }, whose)
end

local function traceback(err)
  return { message = tostring(err), trace = debug.traceback(tostring(err), 2) }
end

-- ---- stopping one

local function call_stop(one, seconds)
  local ok, err = xpcall(one.stop, traceback, seconds)
  if ok then return end
  log.error(("error in stop of %s: %s"):format(provide.describe(one), err.message),
    { trace = err.trace })
end

-- The scope ends without a drain: stop has what every hook has.
local function stop_at_end(self)
  call_stop(self.one, self.one.scope.cancel_timeout)
end

local function stop(one, seconds, why)
  local own, hook = one.scope, one.stop_hook
  if hook and entry.unlink(hook) then
    local stopping = job.run(own, call_stop, one, seconds)
    if not job.join(stopping, seconds) then
      log.warn(("%s did not stop within %.1f s, and was cut off"):format(
        provide.describe(one), seconds))
      job.kill(stopping)
    end
  end
  own:close(why)
end

-- ---- starting one

local function call_start(one)
  local needed, message = values.needed(one.scope, one)
  if not needed then return nil, message end
  local result
  result, message = one.start(one.scope, table.unpack(needed))
  if result == false or result == nil and message ~= nil then
    return nil, tostring(message or "start returned false")
  end
  return true
end

-- What start returns may be nothing: only false, or nil and words, is a failure.
local function attempt_start(one, attempt)
  local ok, started, message = xpcall(call_start, traceback, one)
  if not ok then
    log.debug("the start of a service failed", { trace = started.trace })
    started, message = nil, started.message
  end
  if not started then
    attempt.message = "failed to start: " .. message
  elseif one.scope.state == "open" then
    attempt.is_up, one.up_at = true, core.now()
    if one.stop then
      one.stop_hook = entry.link(one.scope, { kind = "hook", one = one, finish = stop_at_end })
    end
  end
  attempt.place:wake_all(true)
end

local revive

-- A task of the service has died; while it starts, the end of that comes first.
local function on_error(one, attempt)
  return function(err, trace)
    log.error(("error in %s: %s"):format(provide.describe(one), tostring(err)), { trace = trace })
    if not one.backoff or attempt.has_died then return end
    attempt.has_died = true
    if attempt.is_done and one.scope.state == "open" then revive(one) end
  end
end

local function open_scope(one, attempt)
  local own = scope.new {
    label = one.name, parent = one.registry.scope, on_error = on_error(one, attempt),
  }
  own:own(core.token("service", one.name, one.where))
  own:defer(function() attempt.place:wake_all(true) end)
  one.scope, one.stop_hook = own, nil
  return own
end

local function start(one)
  local attempt = { place = wait.place() }
  local own = open_scope(one, attempt)
  job.run(own, attempt_start, one, attempt).is_making = true
  local _, _, code = attempt.place:wait(START_SECONDS)
  attempt.is_done = true
  if attempt.is_up then
    if attempt.has_died then revive(one) end
    return true
  end
  own:close { cause = code == "timeout" and "timeout" or "error" }
  if code == "timeout" then
    attempt.message = ("did not start within %d s; what goes on belongs into scope:spawn(fn)")
      :format(START_SECONDS)
  end
  return nil, attempt.message or "was ended while it started"
end

-- ---- starting one again

local function start_again(one)
  if core.now() - one.up_at >= one.backoff.max then one.backoff:reset() end
  stop(one, one.scope.cancel_timeout, { cause = "error" })
  local is_up, message
  repeat
    local seconds = one.backoff:next()
    log.warn(("%s is started again in %.1f s"):format(provide.describe(one), seconds))
    if not core.sleep(seconds) then return end
    is_up, message = start(one)
    if not is_up then log.error(("%s %s"):format(provide.describe(one), message)) end
  until is_up
end

function revive(one)
  one.reviver = job.run(one.registry.scope, start_again, one)
end

-- ---- all of an app

-- Says whether a service runs in this worker.
local function is_here(one)
  local worker = require("neap").worker
  return one.each_worker or not worker or worker.index == 1
end

-- Those of the app before those of the apps that are mounted in it.
local function list(registry, into)
  for _, one in ipairs(registry.services) do
    if is_here(one) then into[#into + 1] = one end
  end
  for _, other in ipairs(registry.mounted) do list(other, into) end
  return into
end

--- Says whether an app has services that run in this worker.
---@param app table
---@return boolean
function service.has_any(app)
  return list(app.scope.provides, {})[1] ~= nil
end

--- Stops the services that were started, in reverse order, each with its share
--- of the time that is left.
---@param app table
---@param deadline number when all should have stopped
---@param why table what hooks hear
function service.stop_all(app, deadline, why)
  local started = app.started or {}
  app.is_up = false
  for i = #started, 1, -1 do
    local one = table.remove(started)
    local share = math.max((deadline - core.now()) / i, app.scope.cancel_timeout)
    if one.reviver then one.reviver:close() end
    stop(one, share, why)
  end
end

-- Starts one; when it fails, those before it are stopped.
local function start_next(app, one)
  table.insert(app.started, one)
  local is_up, message = start(one)
  if app.draining then return nil, "the app is stopping", "draining" end
  if is_up then return true end
  table.remove(app.started)
  service.stop_all(app, core.now() + app.settled["timeouts.drain"], { cause = "error" })
  return nil, ('%s: service "%s" %s'):format(one.where, one.name, message), "io"
end

--- Starts the services; waits. When one fails, those before it are stopped.
---@param app table
---@return boolean|nil ok, or nil, message with file and line, code
---@return string|nil message
---@return string|nil code
function service.start_all(app)
  app.started, app.is_starting = app.started or {}, true
  local ok, message, code = true, nil, nil
  for _, one in ipairs(list(app.scope.provides, {})) do
    ok, message, code = start_next(app, one)
    if not ok then break end
  end
  app.is_up, app.is_starting = ok, false
  return ok, message, code
end

return service
