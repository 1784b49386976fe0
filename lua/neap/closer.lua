--- How scopes end: cancellation, the order of closing, and who waits for it.
--
-- A close that may have to wait runs in a task of its own, the closer, so that
-- it goes on whatever becomes of the one who asked for it. A step that waits
-- too long is given up, and another closer goes on with the rest.

local again = require "neap.again"
local core = require "neap.core"
local entry = require "neap.entry"
local guests = require "neap.guests"
local job = require "neap.job"
local log = require "neap.log"
local shield = require "neap.shield"
local wait = require "neap.wait"

local closer = {}

-- ---- cancellation

local function run_cancel_hook(self)
  local of = self.of
  entry.unlink(self)
  entry.attempt(self.fn, of.cancelled_for or "closed")
end

--- Runs a hook of on_cancel, once.
closer.run_cancel_hook = run_cancel_hook

local function mark(self, reason, marked)
  if self.cancelled_for or self.state == "closed" then return end
  self.cancelled_for = reason
  marked[#marked + 1] = self
  for _, owned in ipairs(entry.list(self)) do
    if owned.kind == "task" then
      job.cancel(owned)
    elseif owned.kind == "child" then
      mark(owned.child, reason, marked)
    end
  end
end

--- Wakes the waits in a scope and below it, then calls the hooks; once.
---@param self table
---@param reason any
function closer.cancel(self, reason)
  local marked = {}
  mark(self, reason, marked)
  for _, scope in ipairs(marked) do
    for _, owned in ipairs(entry.list(scope)) do
      if owned.is_cancel and owned.scope then run_cancel_hook(owned) end
    end
  end
end

-- ---- closers

-- The task of a closer -> the scope that it ends. Hooks run there too.
local acting = setmetatable({}, { __mode = "k" })

-- A task -> the scope for whose end it waits.
local waiting = setmetatable({}, { __mode = "k" })

--- Returns the scope that the running task is ending, or nil.
---@return table|nil
function closer.acting()
  local task = core.current()
  return task and acting[task]
end

-- Waits for the end of a scope, unless that waits for the one that the running
-- closer ends: two that own each other would wait for ever.
local function wait_for(self)
  local mine = closer.acting()
  local at = mine and self
  while at do
    if at == mine then return end
    at = at.waits_for
  end
  if mine then mine.waits_for = self end
  local task = core.current()
  waiting[task] = self
  self.done = self.done or wait.place()
  self.done:wait()
  waiting[task] = nil
  if mine then mine.waits_for = nil end
end

--- Says whether a task waits for the end of a scope.
---@param task userdata
---@param self table
---@return boolean
function closer.waits_for(task, self)
  return waiting[task] == self
end

--- Closes a scope that the running closer's owns, and waits for it.
---@param self table
---@param why table
function closer.close_below(self, why)
  closer.begin(self, why)
  if self.state ~= "closed" and wait.is_possible() then wait_for(self) end
end

local FRAMES, VALUES = 8, (" "):rep(64)

-- Raises when there is no memory for the calls that lead to a hook: it would be
-- out of its scope by then, and never run.
local function reserve(frames)
  if frames > 0 then
    reserve(frames - 1)
  else
    VALUES:byte(1, -1)
  end
end

--- Ends one entry that is not a task: by end_with, else by finish.
---@param self table
function closer.finish(self)
  reserve(FRAMES)
  entry.unlink(self)
  local finish = self.end_with or self.finish
  if finish then entry.attempt(finish, self) end
end

-- May begin again: each step can be taken twice.
local function conclude(self)
  self.state = "closed"
  if self.kept then entry.close_kept(self) end
  if self.token then self.token:close() end
  for _, place in ipairs(self.places) do entry.unlink(place) end
  if self.done then self.done:wake_all(true) end
  if self.on_closed then self.on_closed() end
  self.is_concluded = true
end

local function end_one(self, last)
  if last.kind == "task" then return job.finish(last) end
  self.step_at = not last.waits and core.now() or nil
  closer.finish(last)
  self.step_at = nil
end

-- The connections of an app go first, then a connection's callbacks, then the
-- rest in reverse order; what is added meanwhile is last, and so goes next. A
-- closer whose step was given up leaves the next to the one that ends it: both
-- may be woken in one turn.
local function end_all(self)
  if self.routes then
    guests.end_all(self, self.why.cause == "drain" and "drain" or "cancelled")
  end
  for _, owned in ipairs(entry.list(self)) do
    if owned.is_callback then job.finish(owned) end
  end
  while self.last do
    end_one(self, self.last)
    if self.relieved and self.relieved == core.current() then return end
  end
  conclude(self)
end

-- ---- steps that wait too long

-- A scope -> its closer, once that has begun.
local at_work = {}

-- Those that are ending, the oldest first; each names the next in `ending`, the
-- last one has true there. So to be here takes no memory.
local first, last

-- From here on it will be ended, whatever raises meanwhile.
local function watch(self)
  self.ending = true
  if last then last.ending = self else first = self end
  last = self
  core.look_soon()
end

local function next_of(self)
  return self.ending ~= true and self.ending or nil
end

local function drop_first()
  local self = first
  first = next_of(self)
  self.ending = false
  if not first then last = nil end
end

local function forget_concluded()
  while first and first.is_concluded do drop_first() end
end

-- Also those behind one that still ends.
local function forget_all_concluded()
  forget_concluded()
  local before = first
  local at = before and next_of(before)
  while at do
    local following = next_of(at)
    if at.is_concluded then
      before.ending, at.ending = following or true, false
    else
      before = at
    end
    at = following
  end
  last = before
end

local function work(self, before)
  local task = core.current()
  if before then job.kill(before) end
  self.relieved = nil
  acting[task] = self
  end_all(self)
  acting[task] = nil -- not left to a collector that takes its time
  if not self.is_concluded then return end
  at_work[self] = nil
  forget_concluded()
end

local function start(self, before)
  at_work[self] = at_work[self] or false -- has a place before there is a task
  at_work[self] = job.run_in_house(work, self, before)
end

local function is_stuck(self, task)
  local until_then = self.step_at and self.step_at + self.cancel_timeout
  return until_then and core.now() > math.max(until_then, shield.ends_at(task))
end

-- What never began, or was ended by an error of ours, begins again: there was no
-- memory for it.
local function look_at(self, closing)
  if self.is_concluded then
    at_work[self] = nil
  elseif self.state == "closed" then
    conclude(self)
  elseif not closing or not closing.scope then
    start(self)
  elseif is_stuck(self, closing.task) then
    self.step_at, self.relieved = nil, closing.task
    log.warn("a hook waited longer than timeouts.cancel, and was given up",
      { label = self.label_text })
    start(self, closing)
  end
end

again.watch(function()
  local at = first
  while at do
    local following = next_of(at)
    look_at(at, at_work[at])
    at = following
  end
  forget_all_concluded()
  return first ~= nil
end)

-- ---- closing

-- Timers alone need no task, and so no wait.
local function has_only_timers(self)
  local owned = self.last
  while owned and owned.kind == "timer" do owned = owned.prev end
  return owned == nil
end

local function is_soon_done(self)
  local is_alone = has_only_timers(self) or (self.tasks == 0 and not core.is_running())
  return is_alone and not guests.are_below(self)
end

-- From here on timeouts.cancel counts, for all that is below too.
local function set_clock(self, now)
  if self.closing_at then return end
  self.closing_at = now
  for _, owned in ipairs(entry.list(self)) do
    if owned.kind == "child" then set_clock(owned.child, now) end
  end
end

local function end_now(self, reason)
  set_clock(self, core.now())
  closer.cancel(self, reason)
  end_all(self)
end

local function end_soon(self, reason)
  start(self)
  set_clock(self, core.now())
  closer.cancel(self, reason)
end

--- Starts to end a scope; the first why is the one that its hooks hear.
---@param self table
---@param why table
function closer.begin(self, why)
  if self.state ~= "open" then return end
  local can_end_now = is_soon_done(self)
  watch(self)
  self.state, self.why = "closing", why
  why.age = why.age or core.now() - self.began
  if not can_end_now then return end_soon(self, why.cause) end
  end_now(self, why.cause)
  forget_concluded()
end

local function is_within(at, self)
  if at == self then return true end
  for _, above in ipairs(at.above) do
    if is_within(above, self) then return true end
  end
  return at.parent ~= nil and is_within(at.parent, self)
end

--- Ends a scope. A task outside of it waits for that; one that the scope owns,
--- however deep, would wait for itself, and a hook for its own end.
---@param self table
---@param why table
---@param current fun(): table|nil returns the scope of the running task
function closer.close(self, why, current)
  closer.begin(self, why)
  if self.state == "closed" or not wait.is_possible() or closer.acting() then return end
  local at = current()
  if not (at and is_within(at, self)) then wait_for(self) end
end

return closer
