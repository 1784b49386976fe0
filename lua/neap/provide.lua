--- What an app provides: values and services by name, checked where they are
--- declared, and as a whole before the app starts.

local site = require "neap.site"
local suggest = require "neap.suggest"

local provide = {}

local LIFETIMES = { "singleton", "scoped", "transient" }
local IS_LIFETIME = { singleton = true, scoped = true, transient = true }

local OPTIONS = {
  lifetime = "string", needs = "table or nil", make = "function", dispose = "function or nil",
}

--- Makes an empty registry.
---@param scope table the app's
---@return table registry
function provide.registry(scope)
  return { scope = scope, by_name = {}, list = {}, services = {}, mounted = {} }
end

--- Puts the registry of an app below that of the app that it is mounted in.
---@param registry table
---@param other table
function provide.mount(registry, other)
  other.above = registry
  table.insert(registry.mounted, other)
end

-- Returns what a name stands for in a registry, or else in those above it.
local function look_up(registry, name)
  while registry do
    local one = registry.by_name[name]
    if one then return one end
    registry = registry.above
  end
end

local function hint(registry, name)
  local known = {}
  while registry do
    for each in pairs(registry.by_name) do known[each] = true end
    registry = registry.above
  end
  return suggest.did_you_mean(name, known)
end

local function read_needs(needs, whose)
  local names = {}
  for i, need in ipairs(needs or names) do
    site.expect(need, "string", whose .. "'s needs")
    names[i] = need
  end
  for key in pairs(needs or names) do
    if not names[key] then site.fail("%s's needs must be a list of names", whose) end
  end
  return names
end

--- Adds what `given` declares to the registry.
---@param registry table
---@param given table name, kind, needs, ...
---@param whose string what the script called
function provide.add(registry, given, whose)
  local other = registry.by_name[given.name]
  if other then site.fail("%s is there already", provide.describe(other)) end
  given.needs = read_needs(given.needs, whose)
  given.where, given.registry = site.caller() or "?", registry
  registry.by_name[given.name] = given
  table.insert(registry.list, given)
  registry.is_checked = false
end

--- Declares a value.
---@param registry table
---@param name string
---@param given table lifetime, needs, make, dispose
function provide.value(registry, name, given)
  site.expect(name, "string", "app:provide's name")
  local whose = ('app:provide("%s")'):format(name)
  site.options(given, OPTIONS, whose)
  if not IS_LIFETIME[given.lifetime] then
    site.fail("%s's lifetime must be one of %s, not %s%s", whose, table.concat(LIFETIMES, ", "),
      given.lifetime, suggest.hint(given.lifetime, LIFETIMES))
  end
  provide.add(registry, {
    name = name, kind = given.lifetime, needs = given.needs, make = given.make,
    dispose = given.dispose,
  }, whose)
end

--- Returns 'singleton "hub" (app.lua:12)'.
---@param one table what was declared
---@return string
function provide.describe(one)
  return ('%s "%s" (%s)'):format(one.kind, one.name, one.where)
end

--- Returns what was declared under a name that a script asks for, or raises.
---@param registry table
---@param name string
---@return table one
function provide.find(registry, name)
  site.expect(name, "string", "the name")
  local one = look_up(registry, name)
  if not one then site.fail('nothing is provided as "%s"%s', name, hint(registry, name)) end
  if one.kind == "service" then site.fail("%s is no value to get", provide.describe(one)) end
  return one
end

--- Says whether what `one` needs under a name is a service.
---@param one table
---@param name string
---@return boolean
function provide.is_service(one, name)
  return look_up(one.registry, name).kind == "service"
end

-- ---- messages

--- Says that what a singleton holds would outlive its own scope.
---@param captor table the singleton
---@param between table[] what stands between the two, from the singleton on
---@param scoped table
---@return string
function provide.capture_message(captor, between, scoped)
  local through = {}
  for i, one in ipairs(between) do through[i] = " through " .. provide.describe(one) end
  return ('%s would capture %s%s; ask for it with scope:factory("%s") when it is needed'):format(
    provide.describe(captor), provide.describe(scoped), table.concat(through), scoped.name)
end

--- Says that each of `path` needs the next one, and the last the first.
---@param path table[]
---@return string
function provide.cycle_message(path)
  local steps = {}
  for i, one in ipairs(path) do steps[i] = provide.describe(one) end
  return ('a cycle: %s needs "%s"'):format(table.concat(steps, " needs "), path[1].name)
end

-- ---- the whole, before the start

local function refuse(one, message, ...)
  error(("%s: " .. message):format(one.where, ...), 0)
end

local function find_need(registry, one, name)
  local need = look_up(registry, name)
  if not need then
    refuse(one, '%s needs "%s", which nothing provides%s', provide.describe(one), name,
      hint(registry, name))
  end
  if need.kind == "service" and one.kind ~= "service" then
    refuse(one, "%s needs %s; only a service may", provide.describe(one), provide.describe(need))
  end
  return need
end

local function refuse_cycle(path, one)
  local cycle = {}
  for _, step in ipairs(path) do
    if step == one or cycle[1] then cycle[#cycle + 1] = step end
  end
  refuse(one, "%s", provide.cycle_message(cycle))
end

-- Follows the needs of `one`: services come before those that need them.
local function visit(registry, one, path, done)
  if done[one] == "on the path" then refuse_cycle(path, one) end
  if done[one] then return end
  done[one], path[#path + 1] = "on the path", one
  for _, name in ipairs(one.needs) do
    visit(one.registry, find_need(registry, one, name), path, done)
  end
  done[one], path[#path] = true, nil
  local is_own = one.registry == done.registry
  if is_own and one.kind == "service" then table.insert(one.registry.services, one) end
end

-- A singleton has its transients for ever, and all that these have.
local function refuse_captive(captor, one, between)
  for _, name in ipairs(one.needs) do
    local need = look_up(one.registry, name)
    if need.kind == "scoped" then
      refuse(captor, "%s", provide.capture_message(captor, between, need))
    elseif need.kind == "transient" then
      between[#between + 1] = need
      refuse_captive(captor, need, between)
      between[#between] = nil
    end
  end
end

--- Checks what all need, and raises what is wrong; puts the services in order,
--- as registry.services.
---@param registry table
function provide.check(registry)
  local done = { registry = registry }
  registry.services = {}
  for _, one in ipairs(registry.list) do visit(registry, one, {}, done) end
  for _, one in ipairs(registry.list) do
    if one.kind == "singleton" then refuse_captive(one, one, {}) end
  end
  registry.is_checked = true
  for _, other in ipairs(registry.mounted) do provide.check(other) end
end

return provide
