--- Leases: what a task has for a time, and gives back at its end at the latest.
--
-- Outside of a task of its own (in a callback that has not waited yet) the scope
-- is the one who gives it back.

local entry = require "neap.entry"
local job = require "neap.job"
local scope = require "neap.scope"

local lease = {}

local function close_lease(self)
  self.lease:close()
end

--- Ties `self`, which has a method close, to the running task, or to its scope.
---@param self table
---@return true|nil tied, or nil, message, "closed" when the scope has ended
---@return string|nil message
---@return string|nil code
function lease.tie(self)
  if job.hold(self) then return true end
  local own = scope.current()
  if own and own.state == "closed" then return nil, "the scope has ended", "closed" end
  if own then
    self.entry = entry.link(own, { kind = "lease", lease = self, finish = close_lease })
  end
  return true
end

--- Unties it: it has been given back.
---@param self table
function lease.untie(self)
  job.drop(self)
  if self.entry then entry.unlink(self.entry) end
  self.entry = nil
end

return lease
