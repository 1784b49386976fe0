--- Provided values: each is made once where it should be, in a task and a scope
--- of its own, and lives until the scope ends that it was made for.
--
-- The scope above a value's own is its home: the app's for a singleton, the
-- connection's or request's for a scoped value, the asker's for a transient.
-- Who has a value ends before it: a scope or task that gets one is moved behind
-- it in the home, so that closing in reverse order reaches the value last.

local captive = require "neap.captive"
local codes = require "neap.codes"
local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"
local lease = require "neap.lease"
local log = require "neap.log"
local provide = require "neap.provide"
local scope = require "neap.scope"
local site = require "neap.site"
local wait = require "neap.wait"

local values = {}

local function refuse()
  return nil, "the scope has ended", "closed"
end

-- ---- the order of ending

-- What stands for `from` in the home's list: its place, or that of the scope
-- above it.
local function place_in(home, from)
  while from do
    for _, place in ipairs(from.places) do
      if place.of == home then return place end
    end
    from = from.parent
  end
end

local function move_behind(value, asker)
  if asker and asker.scope and asker.number < value.number then entry.move_last(asker) end
end

local function is_live(record)
  return record.state == "ready" and record.scope.state == "open"
end

local function hand_over(self, record)
  local home, place = record.home, record.scope.places[1]
  move_behind(place, place_in(home, self))
  local owner = core.current() and core.owner()
  if type(owner) ~= "table" or owner.kind ~= "task" then return record.value end
  local of = owner.scope
  move_behind(place, of == home and owner or place_in(home, of))
  return record.value
end

-- ---- the end

local function dispose(self)
  self.record.def.dispose(self.record.value)
end

-- The last thing that happens in a value's own scope.
local function conclude(self)
  local record = self.record
  record.state, record.value = "over", nil
  local kept = record.home.values
  if kept and kept[record.def] == record then kept[record.def] = nil end
  record.place:wake_all(true)
end

-- ---- making

local function fail(record, message, code)
  record.message = ("cannot make %s: %s"):format(provide.describe(record.def), message)
  record.code = codes.checked(code)
  record.scope:close()
end

local function settle(record, value)
  record.value = value
  if record.def.dispose then
    entry.link(record.scope, { kind = "hook", record = record, finish = dispose })
  end
  record.state = "ready"
  entry.move_last(record.scope.places[1])
  record.place:wake_all(true)
end

local function traceback(err)
  return { message = tostring(err), trace = debug.traceback(tostring(err), 2) }
end

local function call_make(record)
  local needed, message, code = values.needed(record.scope, record.def)
  if not needed then return nil, message, code end
  local value
  value, message, code = record.def.make(record.scope, table.unpack(needed))
  return value, message or "make returned nothing", code
end

local function make(record)
  local ok, value, message, code = xpcall(call_make, traceback, record)
  if not ok then
    log.error(("error in make of %s: %s"):format(provide.describe(record.def), value.message),
      { trace = value.trace })
    return fail(record, value.message, "io")
  end
  if value == nil then return fail(record, message, code) end
  settle(record, value)
end

-- A making is nobody's but the home's: who asked for it may go.
local function begin(home, def)
  local own = scope.new { label = def.name, parent = home }
  local record = { def = def, home = home, scope = own, place = wait.place(), state = "making" }
  own.value_of = record
  entry.link(own, { kind = "hook", record = record, finish = conclude })
  if def.kind ~= "transient" then
    home.values = home.values or {}
    home.values[def] = record
  end
  job.run(own, make, record).is_making = true
  return record
end

-- ---- getting

local function outcome(self, record)
  if is_live(record) then return hand_over(self, record) end
  return nil, record.message or "the scope has ended", record.code or "closed"
end

local function await(self, record)
  local _ <close> = captive.watch(self, record)
  local woken, message, code = record.place:wait()
  if not woken then return nil, message, code end
  return outcome(self, record)
end

-- One that has been closed by itself is waited for, and then made anew.
local function find_kept(home, def)
  local record = home.values and home.values[def]
  while record and record.scope.state ~= "open" and home.state == "open" and not record.message do
    local woken, message, code = record.place:wait()
    if not woken then return nil, message, code end
    record = home.values[def]
  end
  return record
end

local function get_in(self, home, def)
  if self.state == "closed" or def.registry.scope.state == "closed" then return refuse() end
  local record, message, code = find_kept(home, def)
  if message then return nil, message, code end
  if record and is_live(record) then return hand_over(self, record) end
  if self.state ~= "open" or home.state ~= "open" then return refuse() end
  wait.check()
  if not wait.is_possible() then return nil, "the task is being closed", "cancelled" end
  captive.refuse_making(def)
  local value
  value, message, code = await(self, record or begin(home, def))
  return value, message, code
end

-- A value's own scope knows what its app provides, wherever the value lives.
local function registry_of(self)
  local at = self
  while at do
    local registry = at.provides or at.value_of and at.value_of.def.registry
    if registry then return registry end
    at = at.parent
  end
  site.fail("nothing is provided here: no app is above this scope")
end

--- Returns what the app provides under `name`, made where it should be; waits
--- while it is made.
---@param self table scope
---@param name string
---@return any value, or nil, message, code
---@return string|nil message
---@return string|nil code
function values.get(self, name)
  local registry = registry_of(self)
  if not registry.is_checked then provide.check(registry) end
  local def = provide.find(registry, name)
  local value, message, code = get_in(self, captive.home(self, def), def)
  return value, message, code
end

--- Gets all that something needs, in order.
---@param self table scope
---@param one table what was declared
---@return table|nil needed, or nil, message, code
---@return string|nil message
---@return string|nil code
function values.needed(self, one)
  local needed, count = {}, 0
  for _, name in ipairs(one.needs) do
    if not provide.is_service(one, name) then
      local value, message, code = values.get(self, name)
      if value == nil then return nil, message, code end
      count = count + 1
      needed[count] = value
    end
  end
  return needed
end

-- ---- factories

-- A scope of its own for one value, which ends with the running task.
local function new_unit(def)
  local unit = scope.new { label = def.name, parent = scope.current() or def.registry.scope }
  unit.is_unit = true
  if lease.tie(unit) then unit:defer(function() lease.untie(unit) end) end
  return unit
end

--- Returns a function that gets the value in the scope that it is given, which
--- then is where it lives; or in one that ends with the running task.
---@param self table scope
---@param name string
---@return fun(owner: any): any
function values.factory(self, name)
  local def = provide.find(registry_of(self), name)
  return function(owner)
    local unit = owner ~= nil and scope.check(owner, "the factory's argument") or new_unit(def)
    captive.let_in(unit)
    local value, message, code = get_in(unit, captive.home(unit, def), def)
    if owner ~= nil then return value, message, code end
    if value ~= nil then return value, unit end
    unit:close()
    return nil, message, code
  end
end

return values
