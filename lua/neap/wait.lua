--- Places where tasks wait for one another, first come, first served.
--
-- A waiter leaves its place whatever ends its wait: a wake, a time-out, a
-- cancellation, or the close of its coroutine. What a waker gave to a task that
-- was closed before it could go on is handed to the place's `on_lost`.

local core = require "neap.core"
local site = require "neap.site"

local wait = {}

local place_methods = {}
local place_mt = { __name = "neap.wait", __index = place_methods }

local function leave(waiter)
  local place = waiter.place
  if not place then return end
  if waiter.next then waiter.next.prev = waiter.prev else place.last = waiter.prev end
  if waiter.prev then waiter.prev.next = waiter.next else place.first = waiter.next end
  waiter.place, waiter.prev, waiter.next = nil, nil, nil
end

local waiter_mt = {
  __close = function(waiter)
    leave(waiter)
    local on_lost = waiter.on_lost
    if on_lost and waiter.is_woken and not waiter.is_back then on_lost(waiter.gift) end
  end,
}

--- Makes a place.
---@param on_lost fun(gift: any)|nil takes back what no task got
---@return table place
function wait.place(on_lost)
  return setmetatable({ on_lost = on_lost }, place_mt)
end

--- Returns the running task, or raises at the script's line why it can't wait.
---@return userdata task
function wait.check()
  local task = core.current()
  if task then return task end
  if core.owner() ~= nil then
    site.fail("this waits, and can't inside a coroutine of your own: "
      .. "start it with scope:spawn(fn) instead")
  end
  site.fail("this waits: wrap it in neap.run(function() ... end)")
end

--- Says whether the caller could wait: not in the main chunk, a finaliser, a
--- coroutine that is being closed, or one that is not neap's.
---@return boolean
function wait.is_possible()
  return coroutine.isyieldable() and core.current() ~= nil
end

--- Lets a turn of the loop pass before a wait fails with an answer that is
--- known, so that no loop around it spins. Returns its arguments, or
--- nil, message, "cancelled".
---@return nil, string, string
function wait.fail(message, code)
  wait.check()
  local slept, why, cancelled = core.sleep(0)
  if not slept then return nil, why, cancelled end
  return nil, message, code
end

--- Raises at the script's line unless `seconds` is a time or nil.
---@param seconds any
---@param name string what the argument is called
function wait.check_limit(seconds, name)
  site.expect(seconds, "number or nil", name)
  if seconds and (seconds ~= seconds or seconds < 0) then
    site.fail("%s must not be negative", name)
  end
end

--- Suspends the task until it is woken.
---@param seconds number|nil without limit by default
---@param item any what the waker gets
---@return any ... what the waker gave, or nil, message, code
function place_methods:wait(seconds, item)
  local task = wait.check()
  local waiter <close> = setmetatable({
    place = self, task = task, item = item, prev = self.last, on_lost = self.on_lost,
    is_woken = false, gift = false,
  }, waiter_mt)
  if self.last then self.last.next = waiter else self.first = waiter end
  self.last = waiter
  local a, b, c = core.park(seconds)
  waiter.is_back = true
  return a, b, c
end

-- Where there is no memory to wake it, it still waits.
local function wake(waiter, ...)
  local is_woken = core.wake(waiter.task, ...)
  leave(waiter)
  if not is_woken then return false end
  waiter.is_woken, waiter.gift = true, (...)
  return true
end

--- Wakes the one that has waited longest.
---@param ... any what its wait returns
---@return boolean woken false when nobody waits
---@return any item what the one that was woken had for the waker
function place_methods:wake_one(...)
  while self.first do
    local waiter = self.first
    if wake(waiter, ...) then return true, waiter.item end
  end
  return false
end

--- Wakes those who have a certain item for the waker.
---@param item any
---@param ... any what their waits return
function place_methods:wake_with(item, ...)
  local waiter = self.first
  while waiter do
    local next_one = waiter.next
    if waiter.item == item then wake(waiter, ...) end
    waiter = next_one
  end
end

--- Wakes all.
---@param ... any what their waits return
function place_methods:wake_all(...)
  while self:wake_one(...) do end
end

--- Says whether nobody waits.
---@return boolean
function place_methods:is_empty()
  return self.first == nil
end

return wait
