--- Jobs: the tasks that a scope owns, from their start to the end of their
--- coroutine.

local core = require "neap.core"
local entry = require "neap.entry"
local shield = require "neap.shield"
local wait = require "neap.wait"

local job = {}

-- Scopes above which there is none, while a task is under way below them: the
-- clock or a peer may still finish it, so the script need not hold the scope. A
-- connection's is reached through the connection alone.
local rooted = {}
job.rooted = rooted

local house, report

--- Gives the scope that no script sees, and who is told of a task's error.
---@param scope table
---@param on_error fun(scope: table, err: any, trace: string)
function job.settle(scope, on_error)
  house, report = scope, on_error
end

-- Before a task is counted.
local function root(self)
  local at = self
  while at.above[1] do at = at.above[1] end
  if not at.of_conn then rooted[at] = true end
end

-- A scope counts the tasks of those below it too. Takes no memory.
local function count(self, change)
  local at = self
  while at do
    at.tasks = at.tasks + change
    if at.tasks == 0 then rooted[at] = nil end
    at = at.above[1]
  end
end

local function tell_if_empty(self)
  local at = self
  while at do
    if at.tasks == 0 and at.on_empty then at.on_empty() end
    at = at.above[1]
  end
end

--- Counts the tasks of a scope, which had none above it, in `above` as well.
---@param self table
---@param above table
function job.settle_below(self, above)
  root(above)
  rooted[self] = nil
  count(above, self.tasks)
end

-- A handler's scope is a connection's or a request's, or below one.
local function is_for_peer(scope)
  local at = scope
  while at and not (at.of_conn or at.of_request) do at = at.above[1] end
  return at ~= nil
end

--- How many handlers were told of their cancellation while they waited.
job.cancelled = 0

--- Tells a task of its cancellation.
---@param self table
function job.cancel(self)
  if core.cancel(self.task) and is_for_peer(self.of) then job.cancelled = job.cancelled + 1 end
  shield.limit(self.task)
end

-- A job has room for what it gets later, so that what follows the making of a
-- task takes no memory: a task is either its scope's, or there is none.
local function new(scope, task, is_callback)
  return {
    kind = "task", of = scope, stop = job.stop, task = task, is_callback = is_callback,
    is_counted = false, is_ending = false, ending_next = false, scope = false, number = 0,
    prev = false, next = false, since = false,
  }
end

local function take_up(self)
  self.is_counted = true
  count(self.of, 1)
  entry.link(self.of, self)
  if self.of.cancelled_for then job.cancel(self) end
  return self
end

local function start(self, fn, ...)
  root(self.of)
  local message, code
  self.task, message, code = core.task(self, fn, ...)
  if not self.task then return nil, message, code end
  return take_up(self)
end

--- Starts a task in a scope, whatever its state.
---@param scope table
---@param fn function
---@return table|nil entry, or nil, message, "closed"
function job.run(scope, fn, ...)
  local ok, self, message, code = pcall(start, new(scope, false, false), fn, ...)
  if ok and self then return self end
  count(scope, 0)
  if not ok then error(self, 0) end
  return nil, message, code
end

--- Gives a callback's task that has begun to wait to a scope.
---@param scope table
---@param task userdata
function job.adopt(scope, task)
  local self = new(scope, task, true)
  self.since = core.now()
  root(scope)
  core.set_owner(task, self)
  take_up(self)
end

--- Moves a callback's task to another scope.
---@param self table
---@param scope table
function job.move(self, scope)
  root(scope)
  count(self.of, -1)
  entry.unlink(self)
  self.of, self.since = scope, core.now()
  take_up(self)
end

--- The house's tasks end what scripts own, and are ended by nobody.
---@param fn function
---@return table|nil entry
function job.run_in_house(fn, ...)
  local self = job.run(house, fn, ...)
  return self
end

-- The tasks of finalisers -> true. A finaliser may run in the midst of anything,
-- so it leaves the house's own list alone.
local loose = {}
job.loose = loose

--- Starts a task for a finaliser.
---@param fn function
function job.run_loose(fn, ...)
  local self = new(house, false, false)
  self.task = core.task(self, fn, ...)
  if self.task then loose[self] = true end
end

-- ---- what ends with its task

--- Keeps `self` (with a method close) until it is dropped or the running task
--- ends; false outside of a task of a scope, and in one that only makes what its
--- scope then has.
---@param self table
---@return boolean
function job.hold(self)
  local owner = core.current() and core.owner()
  if type(owner) ~= "table" or owner.kind ~= "task" or owner.is_making then return false end
  owner.held = owner.held or {}
  table.insert(owner.held, self)
  self.holder = owner
  return true
end

--- Forgets what `job.hold` kept.
---@param self table
function job.drop(self)
  local held = self.holder and self.holder.held
  self.holder = nil
  for i = #(held or ""), 1, -1 do
    if held[i] == self then return table.remove(held, i) end
  end
end

local function let_go(self)
  local held = self.held
  while held and held[1] do
    local last = held[#held]
    job.drop(last)
    entry.attempt(last.close, last)
  end
end

-- ---- the end

local SHORTAGE = "not enough memory"

local function tell(self, err, trace)
  self.is_told = false
  local message = entry.attempt(report, self.of, err, trace)
  if message == SHORTAGE then error(message, 0) end
  self.is_told = true
end

-- Those whose end is being told, which nobody else may hold any more.
local ending

local function hold_ending(self)
  if self.is_ending then return end
  self.is_ending, self.ending_next, ending = true, ending or false, self
end

local function drop_ending(self)
  if ending == self then
    ending = self.ending_next or nil
    return
  end
  local at = ending
  while at.ending_next ~= self do at = at.ending_next end
  at.ending_next = self.ending_next
end

-- Where memory is too short for it, it is called once more, later: each step can
-- be taken twice.
core.hook("task_end", function(task, ok, err, trace)
  local self = core.owner(task)
  hold_ending(self)
  loose[self] = nil
  entry.unlink(self)
  let_go(self)
  if self.ended then self.ended:wake_all(true) end
  if not (ok or self.is_callback or self.is_told) then tell(self, err, trace) end
  if self.is_counted then
    self.is_counted = false
    count(self.of, -1)
  end
  tell_if_empty(self.of)
  drop_ending(self)
end)

local function wait_for_end(self, seconds)
  self.ended = self.ended or wait.place()
  return self.ended:wait(seconds)
end

--- Waits for the end of a task.
---@param self table
---@param seconds number
---@return boolean ended
function job.join(self, seconds)
  if self.scope then wait_for_end(self, seconds) end
  return not self.scope
end

--- Closes the coroutine of a task at the end of this turn, and waits for that.
---@param self table
function job.kill(self)
  while self.scope do
    core.kill(self.task)
    wait_for_end(self, 1)
  end
end

--- Waits, in a task of the house, for the end of a task: it gets its scope's
--- timeouts.cancel, and what it is shielded for; then its coroutine is closed,
--- so that its <close> variables run. A callback may have come late.
---@param self table
function job.finish(self)
  job.cancel(self)
  local since = math.max(self.of.closing_at or core.now(), self.since or 0)
  local deadline = since + self.of.cancel_timeout
  while self.scope do
    local left = math.max(deadline, shield.ends_at(self.task)) - core.now()
    if left <= 0 then break end
    wait_for_end(self, left)
  end
  job.kill(self)
end

--- Ends one task, for the handle that spawn returned.
function job.stop(self)
  if not self.scope then return end
  job.cancel(self)
  if not self.is_stopping then
    self.is_stopping = true
    job.run_in_house(job.finish, self)
  end
  if wait.is_possible() and core.current() ~= self.task then wait_for_end(self) end
end

return job
