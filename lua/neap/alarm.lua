--- Alarms: the timers that a scope owns, each of which starts a task of it.

local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"

local alarm = {}

local function close_timer(self)
  self.timer:close()
end

--- Calls on_timer(entry) on the loop, after `seconds`.
---@param scope table
---@param seconds number
---@param on_timer fun(self: table)
---@return table entry
function alarm.start(scope, seconds, on_timer)
  local self = { kind = "timer", finish = close_timer, run = false }
  self.timer = core.timer(function() on_timer(self) end)
  entry.link(scope, self)
  local started, message, code = self.timer:start(seconds)
  if not started and code ~= "closed" then
    self:close()
    error(message, 0)
  end
  return self
end

local function is_open(self)
  return self.scope and self.scope.state == "open"
end

--- Starts fn once, after `seconds`.
---@param scope table
---@param seconds number
---@param fn function
---@return table entry
function alarm.after(scope, seconds, fn)
  return alarm.start(scope, seconds, function(self)
    if not is_open(self) then return end
    self.run = self.run or job.run(scope, fn)
    self:close()
  end)
end

--- Returns how long it is to the next moment of what comes every `seconds`. That is
--- counted from the last, so the rate does not drift; moments that have passed
--- meanwhile are left out.
---@param self table at: the last moment
---@param seconds number
---@return number
function alarm.next_moment(self, seconds)
  local now = core.now()
  self.at = math.max(self.at + seconds, now)
  return self.at - now
end

--- Starts fn every `seconds`, but not while the last one is under way.
---@param scope table
---@param seconds number
---@param fn function
---@return table entry
function alarm.every(scope, seconds, fn)
  local handle = alarm.start(scope, seconds, function(self)
    if not is_open(self) then return end
    local is_busy = self.run and self.run.scope
    if not is_busy then self.run = job.run(scope, fn) end
    self.timer:start(alarm.next_moment(self, seconds))
  end)
  handle.at = core.now() + seconds
  return handle
end

return alarm
