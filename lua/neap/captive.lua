--- Captives and cycles: where a provided value may live, and who waits for whom
--- while values are made.

local provide = require "neap.provide"
local scope = require "neap.scope"
local site = require "neap.site"

local captive = {}

-- ---- where a scoped value lives

-- Climbs to the outermost scope below the app: that of a connection, a request,
-- a service, or one of the script's own. Stops at one that a factory was given;
-- returns nil and what is in the way at a singleton.
local function climb(self)
  local outermost, at = nil, self
  while at and not at.provides do
    local record = at.value_of
    if at.is_unit then return at end
    if record and record.def.kind == "singleton" then return nil, record end
    if not record then outermost = at end
    at = at.parent
  end
  return at and outermost
end

local function values_between(self, captor)
  local between, at = {}, self
  while at ~= captor.scope do
    if at.value_of then table.insert(between, 1, at.value_of.def) end
    at = at.parent
  end
  return between
end

local function refuse_capture(self, captor, def)
  site.fail("%s", provide.capture_message(captor.def, values_between(self, captor), def))
end

-- A singleton that is being made must not keep what is another scope's.
local function refuse_while_making(def)
  local current = scope.current()
  local _, captor = climb(current)
  if captor and captor.state == "making" then refuse_capture(current, captor, def) end
end

--- Returns the scope in which a value lives that `self` asks for; raises where
--- a singleton or the app would keep what is scoped.
---@param self table scope
---@param def table
---@return table home
function captive.home(self, def)
  if def.kind == "transient" then return self end
  if def.kind == "singleton" then return def.registry.scope end
  refuse_while_making(def)
  local unit, captor = climb(self)
  if unit then return unit end
  if captor then refuse_capture(self, captor, def) end
  site.fail("%s lives in a connection, a request, a service or a scope of its own: "
    .. "ask one of these for it, not the app", provide.describe(def))
end

--- Makes a scope that a factory was given the one where scoped values live, where
--- it has none above it: it ends by itself, though it may stand below a singleton.
---@param self table scope
function captive.let_in(self)
  if not climb(self) and not self.value_of and not self.provides then self.is_unit = true end
end

-- ---- who waits for whom

-- The values in the making whose scopes stand above `self`, the nearest first.
local function makings(self, found)
  local at = self
  while at do
    local record = at.value_of
    if record and record.state == "making" then found[#found + 1] = record end
    at = at.parent
  end
  return found
end

local function refuse_cycle(path)
  for i, record in ipairs(path) do path[i] = record.def end
  site.fail("%s", provide.cycle_message(path))
end

-- Returns the records from `from` to `to`, each of which waits for the next.
local function path_between(from, to, seen)
  if from == to then return { from } end
  seen[from] = true
  for next_one in pairs(from.waits or {}) do
    local path = not seen[next_one] and path_between(next_one, to, seen)
    if path then
      table.insert(path, 1, from)
      return path
    end
  end
end

--- Raises when a transient would be made in the course of its own making, and
--- so without end.
---@param def table
function captive.refuse_making(def)
  if def.kind ~= "transient" then return end
  local path = {}
  for _, record in ipairs(makings(scope.current(), {})) do
    table.insert(path, 1, record)
    if record.def == def then refuse_cycle(path) end
  end
end

local watch_mt = {
  __close = function(watch)
    for _, asker in ipairs(watch.askers) do
      local count = asker.waits[watch.record] - 1
      asker.waits[watch.record] = count > 0 and count or nil
    end
  end,
}

--- Notes that those in the making who ask for `record` wait for it, until the
--- result is closed; raises where it waits for one of them.
---@param self table scope
---@param record table
---@return table|nil watch
function captive.watch(self, record)
  local askers = makings(scope.current(), makings(self, {}))
  if not askers[1] then return nil end
  for _, asker in ipairs(askers) do
    local path = path_between(record, asker, {})
    if path then refuse_cycle(path) end
  end
  for _, asker in ipairs(askers) do
    asker.waits = asker.waits or {}
    asker.waits[record] = (asker.waits[record] or 0) + 1
  end
  return setmetatable({ askers = askers, record = record }, watch_mt)
end

return captive
