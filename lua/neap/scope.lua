--- Scopes: each owns what it was given, and ends it, once, in reverse order.

local alarm = require "neap.alarm"
local closer = require "neap.closer"
local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"
local leaks = require "neap.leaks"
local log = require "neap.log"
local shield = require "neap.shield"
local site = require "neap.site"
local suggest = require "neap.suggest"

local scope = {}

local CANCEL_SECONDS = 1

local methods = {}
local scope_mt = { __name = "neap.scope", __index = methods }

-- ---- making

local function is_open(self)
  return self.state == "open"
end

local function refuse()
  return nil, "the scope has ended", "closed"
end

local function check_time(value, name)
  site.expect(value, "number", name)
  if value ~= value or value < 0 then site.fail("%s must not be negative", name) end
end

local OPTION_NAMES = { "label", "timeout", "within" }

-- parent, on_error and aside (not to be ended by the parent) are neap's own.
local OPTIONS = {
  label = true, timeout = true, within = true,
  parent = true, on_error = true, cancel_timeout = true, aside = true, of_conn = true,
  of_request = true,
}

local function check_options(given)
  for name in pairs(given) do
    if not OPTIONS[name] then
      site.fail("unknown option %s of neap.scope%s", tostring(name),
        suggest.hint(name, OPTION_NAMES))
    end
  end
  site.expect(given.label, "string or nil", "neap.scope's label")
  site.expect(given.within, "table or nil", "neap.scope's within")
  if given.timeout ~= nil then check_time(given.timeout, "neap.scope's timeout") end
end

--- Returns the scope that `value` is or has (an app, a connection, a request),
--- or raises.
---@param value any
---@param name string what the argument is called
---@return table
function scope.check(value, name)
  if getmetatable(value) == scope_mt then return value end
  local is_object = type(value) == "table" or type(value) == "userdata"
  local found = is_object and scope.of(value)
  if getmetatable(found) ~= scope_mt then
    site.fail("%s must be a scope, not a %s", name, type(value))
  end
  return found
end

local function finish_child(self)
  local why = self.of.why
  local is_drain = why and why.cause == "drain"
  closer.close_below(self.child, { cause = is_drain and "drain" or "cancelled" })
end

-- Ends the new scope when the one above it ends.
local function enter(self, above)
  if not is_open(self) then return end
  if not is_open(above) then return closer.begin(self, { cause = "cancelled" }) end
  self.places[#self.places + 1] = entry.link(above,
    { kind = "child", child = self, of = above, finish = finish_child, waits = true })
  if above.cancelled_for then closer.cancel(self, above.cancelled_for) end
end

--- Puts a scope below another as well, and lets it end with that.
---@param self table
---@param above table
function scope.place(self, above)
  self.parent = above
  table.insert(self.above, above)
  if #self.above == 1 then job.settle_below(self, above) end
  enter(self, above)
end

local function scopes_above(given)
  local above = {}
  for i, value in ipairs(given.within or {}) do
    above[i] = scope.check(value, "each of neap.scope's within")
  end
  if given.parent and not given.aside then table.insert(above, 1, given.parent) end
  if not above[1] and not given.within and not given.aside then above[1] = scope.current() end
  return above
end

local function on_timeout(self)
  closer.begin(self.scope, { cause = "timeout" })
end

--- Makes a scope. Within a task it is a child of the task's scope, unless
--- `within` names others.
---@param given table|nil label, timeout in seconds, within = {scopes}
---@return table scope
function scope.new(given)
  site.expect(given, "table or nil", "neap.scope's options")
  given = given or {}
  check_options(given)
  local above = scopes_above(given)
  local parent = given.parent or above[1] or scope.current()
  local self = setmetatable({
    state = "open", why = false, ending = false, label_text = given.label, began = core.now(),
    on_error = given.on_error,
    above = above, parent = parent, places = {}, tasks = 0,
    cancel_timeout = given.cancel_timeout or parent and parent.cancel_timeout or CANCEL_SECONDS,
    of_conn = given.of_conn, of_request = given.of_request,
    token = scope.house and core.token("scope", given.label),
  }, scope_mt)
  for _, each in ipairs(above) do enter(self, each) end
  if given.timeout and is_open(self) then alarm.start(self, given.timeout, on_timeout) end
  return self
end

--- Returns the scope of the running task, or nil. A hook's is the nearest one
--- that is open above what is ending.
---@return table|nil
function scope.current()
  local at = closer.acting()
  if at then
    repeat at = at.parent until not at or is_open(at)
    return at or scope.house
  end
  local owner = core.owner()
  if owner == nil then return nil end
  if type(owner) == "table" then return owner.scope or owner.of end
  return scope.of(owner)
end

--- Returns the scope of a connection, request or app.
---@param owner any
---@return table
function scope.of(owner)
  return owner.scope
end

function scope_mt:__tostring()
  return ("neap.scope%s (%s)"):format(
    self.label_text and " " .. self.label_text or "", self.state)
end

-- ---- owning

--- Starts a task that the scope owns.
---@param fn function
---@param ... any its arguments
---@return table|nil handle, or nil, message, "closed"
function methods:spawn(fn, ...)
  site.expect(fn, "function", "scope:spawn's argument")
  if not is_open(self) then return refuse() end
  return job.run(self, fn, ...)
end

--- Calls `fn` once, after `seconds`, in a task of the scope.
---@param seconds number
---@param fn function
---@return table|nil handle, or nil, message, "closed"
function methods:after(seconds, fn)
  check_time(seconds, "scope:after's time")
  site.expect(fn, "function", "scope:after's function")
  if not is_open(self) then return refuse() end
  return (alarm.after(self, seconds, fn))
end

--- Calls `fn` every `seconds`, never beside itself.
---@param seconds number
---@param fn function
---@return table|nil handle, or nil, message, "closed"
function methods:every(seconds, fn)
  check_time(seconds, "scope:every's time")
  site.expect(fn, "function", "scope:every's function")
  if seconds == 0 then site.fail("scope:every's time must be more than 0") end
  if not is_open(self) then return refuse() end
  return (alarm.every(self, seconds, fn))
end

-- Closes what `own` was given: by its close method, or its __close.
local function close_owned(self)
  local value = self.value
  local mt = getmetatable(value)
  if type(mt) == "table" and mt.__close and not self.by_method then
    mt.__close(value, nil)
  else
    value:close()
  end
end

local function can_close(value)
  local mt = getmetatable(value)
  if type(mt) == "table" and mt.__close then return true, false end
  local ok, method = pcall(function() return value.close end)
  return ok and method ~= nil, true
end

--- Closes `value` when the scope ends: anything with a close method or __close.
---@param value any
---@return table handle
function methods:own(value)
  local closable, by_method = can_close(value)
  if not closable then
    site.fail("scope:own needs a value with a close method or __close, not a %s", type(value))
  end
  local own = entry.link(self, {
    kind = "owned", value = value, by_method = by_method, finish = close_owned,
    waits = getmetatable(value) == scope_mt,
  })
  if self.state == "closed" then own:close() end
  return own
end

local function run_hook(self)
  local of = self.of
  self.fn(of.why or { cause = "closed", age = core.now() - of.began })
end

--- Calls `fn(why)` when the scope ends; at once if it has.
---@param fn function
---@return table handle that forgets the hook
function methods:defer(fn)
  site.expect(fn, "function", "scope:defer's argument")
  local hook = entry.link(self, { kind = "hook", fn = fn, of = self, end_with = run_hook })
  if self.state == "closed" then closer.finish(hook) end
  return hook
end

--- Calls `fn(reason)` when the scope is cancelled; at once if it is.
---@param fn function
---@return table handle that forgets the hook
function methods:on_cancel(fn)
  site.expect(fn, "function", "scope:on_cancel's argument")
  local hook = entry.link(self, { kind = "hook", fn = fn, of = self, is_cancel = true })
  if self.cancelled_for or self.state == "closed" then closer.run_cancel_hook(hook) end
  return hook
end

--- Makes a scope that ends with this one.
---@param given table|nil label, timeout, within
---@return table|nil scope, or nil, message, "closed"
function methods:child(given)
  site.expect(given, "table or nil", "scope:child's options")
  if not is_open(self) then return refuse() end
  local copy = {}
  for name, value in pairs(given or {}) do copy[name] = value end
  copy.parent = self
  return (scope.new(copy))
end

-- ---- what the app provides

--- Returns what the app provides under `name`, made where it should be; waits
--- while it is made.
---@param name string
---@return any value, or nil, message, code
function methods:get(name)
  local value, message, code = require("neap.values").get(self, name)
  return value, message, code
end

--- Returns a function that gets it later, in the scope that it is given.
---@param name string
---@return fun(owner: any): any
function methods:factory(name)
  return (require("neap.values").factory(self, name))
end

--- Names what the scope does, for the census.
---@param text string|nil
---@return string|nil
function methods:label(text)
  site.expect(text, "string or nil", "scope:label's argument")
  if text then
    self.label_text = text
    if self.token then self.token:label(text) end
  end
  return self.label_text
end

-- ---- ending

--- Wakes the waits of the scope's tasks and calls its on_cancel hooks; ends
--- nothing else.
---@param reason any "cancelled" by default
function methods:cancel(reason)
  closer.cancel(self, reason or "cancelled")
end

--- Returns the reason once the scope has been cancelled, or false.
---@return any
function methods:cancelled()
  return self.cancelled_for or false
end

--- Ends the scope: cancels, then ends all that it owns in reverse order. Called
--- by a task outside it, returns when that is done; else at once.
---@param why table|nil neap's own, which then waits wherever it may: what hooks hear
function methods:close(why)
  if type(why) == "table" then return closer.close_below(self, why) end
  closer.close(self, { cause = "closed" }, scope.current)
end

scope_mt.__close = function(self, err)
  local why = { cause = err ~= nil and "error" or "closed" }
  if closer.acting() then return closer.close_below(self, why) end
  closer.close(self, why, scope.current)
end

-- Says what a dropped scope held: the first thing that has a place of birth.
local function first_held(self)
  local owned = self.last
  while owned do
    local what = owned.timer or owned.task
    local from = what and core.site(what)
    if from then return ("a %s from %s"):format(owned.kind, from) end
    owned = owned.prev
  end
end

-- A scope that the script has dropped: a finaliser calls no hooks, so the house
-- ends what there is. A connection's is ended by the end of its connection.
scope_mt.__gc = function(self)
  if not is_open(self) then return end
  if self.of_conn then return leaks.note_held(self.of_conn, first_held(self)) end
  if self.token then
    local age = core.now() - self.began
    leaks.scope(self.label_text, self.token:site(), age, first_held(self))
  end
  if self.last then
    job.run_loose(closer.begin, self, { cause = "cancelled" })
  else
    closer.begin(self, { cause = "cancelled" })
  end
end

--- Runs `fn` while cancellation waits for it, at most `seconds`.
---@param seconds number
---@param fn function
---@return any ... what fn returns
function methods.shield(_, seconds, fn)
  check_time(seconds, "scope:shield's time")
  site.expect(fn, "function", "scope:shield's function")
  return shield.run(seconds, fn)
end

-- Of what ends with its scope, the nearest one above that still can.
local function nearest_open(self)
  local at = self
  while at and at.state == "closed" do at = at.parent end
  return at or scope.house
end

--- Takes over a callback's task that has begun to wait; the house does, when it
--- waits for the end of this scope.
---@param task userdata
function methods:adopt(task)
  job.adopt(closer.waits_for(task, self) and scope.house or nearest_open(self), task)
end

--- Gives the running task, which has waited for the end of a scope, to the
--- nearest one above it.
---@param ended table scope
function scope.hand_on(ended)
  local owner = core.owner()
  if type(owner) == "table" and owner.of == scope.house then
    job.move(owner, nearest_open(ended))
  end
end

local function report(self, err, trace)
  local at = self
  while at and not at.on_error do at = at.parent end
  if at then return at.on_error(err, trace) end
  log.error("error in a task: " .. tostring(err), { trace = trace, label = self.label_text })
end

--- Adds the scope methods, all but close, to another class.
---@param target table its methods
---@param scope_of function scope_of(object) returns its scope
function scope.install(target, scope_of)
  local names = {
    "spawn", "after", "every", "own", "defer", "on_cancel", "child", "cancel", "cancelled",
    "label", "get", "factory",
  }
  for _, name in ipairs(names) do
    local method = methods[name]
    target[name] = function(object, ...)
      local result, message, code = method(scope_of(object), ...)
      return result, message, code
    end
  end
  target.shield = function(_, seconds, fn)
    return methods.shield(nil, seconds, fn)
  end
end

--- The scope of what belongs to the process: what ends other scopes, and
--- callbacks whose own scope is gone.
scope.house = scope.new { label = "house", aside = true }
job.settle(scope.house, report)

return scope
