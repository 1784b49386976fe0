--- Shields: stretches of a task that cancellation waits for, up to a time.

local core = require "neap.core"

local shield = {}

-- task -> the innermost shield that it is in.
local shields = setmetatable({}, { __mode = "k" })

local function lift(self)
  if self.is_lifted then return end
  self.is_lifted = true
  core.shield(self.task, false)
end

local function close_alarm(self)
  if self.alarm then self.alarm:close() end
  self.alarm = nil
end

local guard_mt = {
  __close = function(self)
    shields[self.task] = self.outer
    close_alarm(self)
    lift(self)
  end,
}

--- Runs fn in the running task while cancellation waits for it, at most
--- `seconds`. Outside of a task there is nothing to wait for.
---@param seconds number
---@param fn function
---@return any ... what fn returns
function shield.run(seconds, fn)
  local task = core.current()
  if not task then return fn() end
  local guard <close> = setmetatable(
    { task = task, ends_at = core.now() + seconds, outer = shields[task] }, guard_mt)
  shields[task] = guard
  core.shield(task, true)
  local results = table.pack(fn())
  return table.unpack(results, 1, results.n)
end

--- Returns when the last of a task's shields ends, or 0.
---@param task userdata
---@return number
function shield.ends_at(task)
  local at, latest = shields[task], 0
  while at do
    if not at.is_lifted then latest = math.max(latest, at.ends_at) end
    at = at.outer
  end
  return latest
end

--- A cancellation has met the task: its shields hold for their time, no longer.
---@param task userdata
function shield.limit(task)
  local at = shields[task]
  while at do
    local self = at
    if not self.alarm and not self.is_lifted then
      self.alarm = core.timer(function()
        close_alarm(self)
        lift(self)
      end)
      if self.alarm and not self.alarm:start(math.max(0, self.ends_at - core.now())) then
        close_alarm(self)
        lift(self)
      end
    end
    at = at.outer
  end
end

return shield
