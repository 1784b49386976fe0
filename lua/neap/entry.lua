--- Entries: what a scope owns, in the order that it came. An entry is also the
--- handle that the script gets, and knows how it is ended.

local log = require "neap.log"

local entry = {}

local methods = {}
local mt = { __name = "neap.owned", __index = methods }

local function traceback(err)
  return debug.traceback(tostring(err), 2)
end

--- Calls a script's function for the sake of its effect: an error is logged,
--- and stops nothing.
---@param fn function
---@param ... any its arguments
---@return string|nil trace of the error
function entry.attempt(fn, ...)
  local ok, trace = xpcall(fn, traceback, ...)
  if ok then return nil end
  trace = tostring(trace)
  pcall(log.error, "error in a hook: " .. trace:match "^[^\n]*", { trace = trace })
  return trace
end

local link_count = 0

--- Makes `self` the last thing that `scope` owns.
---@param scope table
---@param self table kind, and finish(self) or stop(self)
---@return table entry
function entry.link(scope, self)
  link_count = link_count + 1
  self.scope, self.number = scope, link_count
  self.prev = scope.last
  if scope.last then scope.last.next = self end
  scope.last = self
  return setmetatable(self, mt)
end

--- Takes an entry out of its scope; false if it was out already.
---@param self table
---@return boolean
function entry.unlink(self)
  local scope = self.scope
  if not scope then return false end
  if self.next then self.next.prev = self.prev else scope.last = self.prev end
  if self.prev then self.prev.next = self.next end
  self.scope, self.next, self.prev = nil, nil, nil
  return true
end

--- Makes an entry the last thing that its scope owns, if it is not out already.
---@param self table
function entry.move_last(self)
  local scope = self.scope
  if scope and scope.last ~= self then
    entry.unlink(self)
    entry.link(scope, self)
  end
end

local kept_count = 0

--- Closes `value` after all else when the scope ends, unless the script has
--- dropped it by then: the scope does not hold it.
---@param scope table
---@param value table
function entry.keep(scope, value)
  if scope.state == "closed" then return end
  kept_count = kept_count + 1
  scope.kept = scope.kept or setmetatable({}, { __mode = "k" })
  scope.kept[value] = kept_count
  value.keeper = scope
end

--- Undoes entry.keep.
---@param value table
function entry.forget(value)
  if value.keeper then value.keeper.kept[value] = nil end
  value.keeper = nil
end

--- Closes what entry.keep has noted, the last one first.
---@param scope table
function entry.close_kept(scope)
  local kept = {}
  for value, number in pairs(scope.kept or kept) do
    kept[#kept + 1] = { value = value, number = number }
  end
  table.sort(kept, function(a, b) return a.number > b.number end)
  for _, each in ipairs(kept) do entry.attempt(each.value.close, each.value) end
end

--- Returns the entries of a scope, the last one first.
---@param scope table
---@return table[]
function entry.list(scope)
  local entries, at = {}, scope.last
  while at do
    entries[#entries + 1] = at
    at = at.prev
  end
  return entries
end

--- Ends what the handle stands for; twice is not an error.
function methods:close()
  if self.stop then
    self:stop()
  elseif entry.unlink(self) and self.finish then
    entry.attempt(self.finish, self)
  end
end

mt.__close = methods.close

function mt:__tostring()
  return ("neap.%s%s"):format(self.kind, self.scope and "" or " (closed)")
end

return entry
