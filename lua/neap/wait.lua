--- Places where tasks wait for one another, first come, first served.
--
-- A waiter leaves its place whatever ends its wait: a wake, a time-out, a
-- cancellation, or the close of its coroutine.

local core = require "neap.core"

local wait = {}

local place_methods = {}
local place_mt = { __name = "neap.wait", __index = place_methods }

local waiter_mt = {
  __close = function(waiter)
    waiter.place.waiters[waiter] = nil
  end,
}

--- Makes a place.
---@return table place
function wait.place()
  return setmetatable({ waiters = {}, count = 0, first = 1 }, place_mt)
end

--- Suspends the task until it is woken.
---@param seconds number|nil without limit by default
---@return any ... what the waker gave, or nil, message, code
function place_methods:wait(seconds)
  local number = self.count + 1
  local waiter <close> = setmetatable({ place = self, task = core.current() }, waiter_mt)
  self.count = number
  self[number] = waiter
  self.waiters[waiter] = number
  local a, b, c = core.park(seconds)
  return a, b, c
end

--- Wakes the one that has waited longest.
---@param ... any what its wait returns
---@return boolean woken false when nobody waits
function place_methods:wake_one(...)
  while self.first <= self.count do
    local waiter = self[self.first]
    self[self.first] = nil
    self.first = self.first + 1
    if self.waiters[waiter] and core.wake(waiter.task, ...) then return true end
  end
  self.first, self.count = 1, 0
  return false
end

--- Wakes all.
---@param ... any what their waits return
function place_methods:wake_all(...)
  while self:wake_one(...) do end
end

--- Says whether nobody waits.
---@return boolean
function place_methods:is_empty()
  return next(self.waiters) == nil
end

return wait
