--- How scopes end: cancellation, the order of closing, and who waits for it.

local core = require "neap.core"
local log = require "neap.log"
local wait = require "neap.wait"

local closer = {}

-- What scope.lua gives: unlink, rooted, report, house, current.
local given = {}

function closer.use(functions)
  for name, fn in pairs(functions) do given[name] = fn end
end

local function traceback(err)
  return debug.traceback(tostring(err), 2)
end

--- Runs one closing step: its error is logged, and stops nothing.
function closer.attempt(fn, ...)
  local ok, trace = xpcall(fn, traceback, ...)
  if not ok then log.error("error in a hook: " .. trace:match("^[^\n]*"), { trace = trace }) end
end

-- ---- cancellation

--- Runs a hook of on_cancel, once.
function closer.run_cancel_hook(entry)
  local reason = entry.of.cancelled_for or "closed"
  given.unlink(entry)
  closer.attempt(entry.fn, reason)
end

local function entries_of(self)
  local entries, entry = {}, self.last
  while entry do
    entries[#entries + 1] = entry
    entry = entry.prev
  end
  return entries
end

--- Tells everything in a scope, once.
function closer.cancel(self, reason)
  if self.cancelled_for or self.state == "closed" then return end
  self.cancelled_for, self.cancelled_at = reason, core.now()
  for _, entry in ipairs(entries_of(self)) do
    if entry.kind == "task" then
      core.cancel(entry.task)
    elseif entry.kind == "child" then
      closer.cancel(entry.child, reason)
    elseif entry.is_cancel and entry.scope then
      closer.run_cancel_hook(entry)
    end
  end
end

local shields = setmetatable({}, { __mode = "k" })

local function unshield(task, ok, ...)
  if core.shield(task, false) == 0 then shields[task] = nil end
  if not ok then error((...), 0) end
  return ...
end

--- Runs fn in the running task while cancellation waits, at most `seconds`.
function closer.shield(seconds, fn)
  local task = core.current()
  if not task then return fn() end
  core.shield(task, true)
  shields[task] = core.now() + seconds
  return unshield(task, pcall(fn))
end

-- ---- tasks

--- Counts the tasks of a scope; one that nobody holds is kept while it has any.
function closer.count_task(self, change, rooted)
  self.tasks = self.tasks + change
  if not self.parent then rooted[self] = self.tasks > 0 or nil end
  if self.tasks == 0 and self.on_empty then self.on_empty() end
end

core.hook("task_end", function(task, ok, err, trace)
  local entry = core.owner(task)
  local self = entry.of
  given.unlink(entry)
  closer.count_task(self, -1, given.rooted)
  if not ok and not entry.is_callback then given.report(self, err, trace) end
  if entry.ended then entry.ended:wake_all(true) end
end)

local function wait_for_end(entry, seconds)
  entry.ended = entry.ended or wait.place()
  return entry.ended:wait(seconds)
end

-- A task gets timeouts.cancel, and what it is shielded for; then its coroutine
-- is closed, so that its <close> variables run.
local function end_now(entry)
  local self, task = entry.of, entry.task
  core.cancel(task)
  local until_then = (self.cancelled_at or core.now()) + self.cancel_timeout
  while entry.scope do
    local left = math.max(until_then, shields[task] or 0) - core.now()
    if left <= 0 then break end
    wait_for_end(entry, left)
  end
  while entry.scope do
    core.kill(task)
    wait_for_end(entry, 1)
  end
end

local function is_own_task(entry)
  return entry.task == core.current()
end

--- Ends one task, for the handle that spawn returned.
function closer.end_task(entry)
  if not entry.scope then return end
  core.cancel(entry.task)
  if entry.is_ending then return end
  entry.is_ending = true
  given.house:spawn(end_now, entry)
  if core.current() and not is_own_task(entry) then wait_for_end(entry) end
end

-- ---- closing

function closer.finish_child(entry)
  entry.child:close(entry.child.parent and entry.child.parent.why or nil)
end

--- Ends one entry that is not a task.
function closer.finish(entry)
  given.unlink(entry)
  local finish = entry.end_with or entry.finish
  if finish then closer.attempt(finish, entry) end
end

local function ended(self)
  self.state = "closed"
  given.rooted[self] = nil
  if self.token then self.token:close() end
  for _, place in ipairs(self.places) do given.unlink(place) end
  if self.done then self.done:wake_all(true) end
  if self.on_closed then self.on_closed() end
end

-- Callbacks of a connection go first, then the rest in reverse order; what is
-- added meanwhile is last, and so goes next.
local function end_all(self)
  for _, entry in ipairs(entries_of(self)) do
    if entry.is_callback then end_now(entry) end
  end
  while self.last do
    local entry = self.last
    if entry.kind == "task" then end_now(entry) else closer.finish(entry) end
  end
  ended(self)
end

local function has_only_timers(self)
  local entry = self.last
  while entry and entry.kind == "timer" do entry = entry.prev end
  return entry == nil
end

local function end_timers(self)
  while self.last do closer.finish(self.last) end
  ended(self)
end

-- A task that the scope owns, however deep, would wait for itself.
local function may_wait_for(self)
  if not core.current() then return false end
  local at = given.current()
  while at do
    if at == self then return false end
    at = at.parent
  end
  return true
end

--- Ends a scope; the first why is the one that its hooks hear.
function closer.close(self, why)
  if self.state == "closed" then return end
  if self.state == "open" then
    self.state = "closing"
    why.age = why.age or core.now() - self.began
    self.why = why
    closer.cancel(self, why.cause)
    if has_only_timers(self) then return end_timers(self) end
    given.house:spawn(end_all, self)
  end
  if may_wait_for(self) then
    self.done = self.done or wait.place()
    self.done:wait()
  end
end

return closer
