--- Free-standing timers: each calls one function, again and again if it should.
--
-- The clock holds one that is started; one that is not is the script's alone.
-- Made within a task, it is closed with the task's scope.

local alarm = require "neap.alarm"
local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"
local leaks = require "neap.leaks"
local scope = require "neap.scope"
local site = require "neap.site"
local wait = require "neap.wait"

local timer = {}

local methods = {}
local mt = { __name = "neap.timer", __index = methods }

-- Those that are started, or whose function is under way.
local anchored = {}
timer.anchored = anchored

local function settle(self)
  anchored[self] = (self.is_started or self.run) and true or nil
end

local fire

-- Whatever ends the call; a moment that came meanwhile is made up for.
local ending_mt = {
  __close = function(ending)
    local self = ending.timer
    self.run = nil
    if self.is_due and not self.is_closed then fire(self) end
    settle(self)
  end,
}

local function call(self)
  local _ <close> = setmetatable({ timer = self }, ending_mt)
  self.is_due = false
  entry.attempt(self.fn, self)
end

-- Never beside itself. A call that could not start is told of, and the next
-- moment comes all the same.
function fire(self)
  if self.run then
    self.is_due = not self.seconds
    return
  end
  local message
  self.run, message = job.run(self.owner, call, self)
  if not self.run then error(message, 0) end
end

local function on_time(self)
  if self.seconds then
    self.core:start(alarm.next_moment(self, self.seconds))
  else
    self.is_started, self.has_fired = false, true
  end
  local ok, err = pcall(fire, self)
  settle(self)
  if not ok then error(err, 0) end
end

--- Makes a timer that is not started yet. Its function runs as a task, which may
--- wait; what it raises is logged.
---@param fn fun(timer: table)
---@return table|nil timer, or nil, message, "closed"
function timer.new(fn)
  site.expect(fn, "function", "neap.timer's argument")
  local own = scope.current()
  local self = { fn = fn, owner = own or scope.house, began = core.now() }
  local message, code
  self.core, message, code = core.timer(function() on_time(self) end)
  if not self.core then return nil, message, code end
  setmetatable(self, mt)
  if own then entry.keep(own, self) end
  return self
end

local function check_time(value, name)
  wait.check_limit(value, name)
  if value == math.huge then site.fail("%s must be a finite time", name) end
end

--- Starts it, or starts it anew: its function is called after `seconds`, and then
--- every `every_seconds`, but not while the last call is under way.
---@param seconds number
---@param every_seconds number|nil once by default
---@return true|nil started, or nil, message, "closed"
---@return string|nil message
---@return string|nil code
function methods:start(seconds, every_seconds)
  site.expect(seconds, "number", "timer:start's time")
  check_time(seconds, "timer:start's time")
  check_time(every_seconds, "timer:start's second time")
  if every_seconds == 0 then site.fail("timer:start's second time must be more than 0") end
  if self.is_closed then return nil, "the timer is closed", "closed" end
  local started, message, code = self.core:start(seconds)
  if not started then return nil, message, code end
  self.seconds, self.at, self.is_due = every_seconds, core.now() + seconds, false
  self.is_started, self.has_fired = true, false
  settle(self)
  return true
end

--- Stops it; a call that is under way goes on. It can be started again.
function methods:stop()
  if self.is_closed then return end
  self.core:stop()
  self.is_started, self.is_due = false, false
  settle(self)
end

--- Stops it for good, and ends a call that is under way, unless that is what
--- calls this; twice is not an error.
function methods:close()
  if self.is_closed then return end
  self.is_closed, self.is_started = true, false
  self.core:close()
  entry.forget(self)
  local run = self.run
  if run and core.current() ~= run.task then job.stop(run) end
  settle(self)
end

mt.__close = methods.close

-- One that has done what it was started for is no leak.
function mt:__gc()
  if self.is_closed then return end
  if not self.has_fired then leaks.timer(core.site(self.core), core.now() - self.began) end
  self.is_closed = true
  self.core:close()
end

function mt:__tostring()
  return ("neap.timer (%s)"):format(
    self.is_closed and "closed" or self.is_started and "started" or "stopped")
end

return timer
