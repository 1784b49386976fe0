--- Locks: one task at a time, in the order of their asking.

local core = require "neap.core"
local entry = require "neap.entry"
local lease = require "neap.lease"
local scope = require "neap.scope"
local site = require "neap.site"
local wait = require "neap.wait"

local lock = {}

local methods = {}
local mt = { __name = "neap.lock", __index = methods }

local held_methods = {}
local held_mt = { __name = "neap.held", __index = held_methods }

local CLOSED = "the lock is closed"

-- The next one has it from here on, though its task has yet to run.
local function pass_on(self)
  self.holder = nil
  self.is_taken = self.waiters:wake_one(true)
end

--- Makes a lock. Made within a task, it is closed with the task's scope.
---@return table lock
function lock.new()
  local self = setmetatable({ is_taken = false }, mt)
  self.waiters = wait.place(function(is_given)
    if is_given then pass_on(self) end
  end)
  local own = scope.current()
  if own then entry.keep(own, self) end
  return self
end

local function grant(self)
  local held = setmetatable({ lock = self, task = core.current() }, held_mt)
  self.is_taken, self.holder = true, held
  local tied, message, code = lease.tie(held)
  if tied then return held end
  pass_on(self)
  return nil, message, code
end

--- Takes the lock; waits while another has it. It is released by the handle's
--- close, or when the task that took it ends.
---@param seconds number|nil how long to wait at most
---@return table|nil held, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:acquire(seconds)
  wait.check_limit(seconds, "lock:acquire's time")
  if self.is_closed then return wait.fail(CLOSED, "closed") end
  if not self.is_taken then return grant(self) end
  local task = wait.check()
  if self.holder and self.holder.task == task then
    return wait.fail("this task has the lock already", "busy")
  end
  local given, message, code = self.waiters:wait(seconds)
  if not given then return nil, message, code end
  return grant(self)
end

--- Calls fn(...) with the lock taken.
---@param fn function
---@return any ... what fn returns, or nil, message, code
function methods:with(fn, ...)
  site.expect(fn, "function", "lock:with's argument")
  local held, message, code = self:acquire()
  if not held then return nil, message, code end
  local _ <close> = held
  return fn(...)
end

--- Releases the lock; twice is not an error.
function held_methods:close()
  local self_lock = self.lock
  if not self_lock then return end
  self.lock = nil
  lease.untie(self)
  pass_on(self_lock)
end

held_mt.__close = held_methods.close

--- Closes the lock: whoever waits for it hears of it; who has it, keeps it.
function methods:close()
  if self.is_closed then return end
  self.is_closed = true
  entry.forget(self)
  self.waiters:wake_all(nil, CLOSED, "closed")
end

mt.__close = methods.close

function mt:__tostring()
  return ("neap.lock (%s)"):format(
    self.is_closed and "closed" or self.is_taken and "taken" or "free")
end

return lock
