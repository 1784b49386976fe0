--- Scopes: each owns what it was given, and ends it, once, in reverse order.
--
-- What a scope owns stands in a doubly linked list of entries; an entry is the
-- handle that the script gets, and knows how it is ended. A close that may have
-- to wait runs in a task of its own, the closer, so that it goes on whatever
-- becomes of the one who asked for it.

local closer = require "neap.closer"
local core = require "neap.core"
local log = require "neap.log"
local site = require "neap.site"
local suggest = require "neap.suggest"

local scope = {}

local CANCEL_SECONDS = 1

local methods = {}
local scope_mt = { __name = "neap.scope", __index = methods }

-- Free-standing scopes whose tasks are under way: the clock or a peer may still
-- finish those, so the script need not hold the scope.
local rooted = {}

local entry_methods = {}
local entry_mt = { __name = "neap.owned", __index = entry_methods }

-- ---- entries

local function link(self, entry)
  entry.scope = self
  entry.prev = self.last
  if self.last then self.last.next = entry end
  self.last = entry
  return setmetatable(entry, entry_mt)
end

local function unlink(entry)
  local self = entry.scope
  if not self then return false end
  if entry.next then entry.next.prev = entry.prev else self.last = entry.prev end
  if entry.prev then entry.prev.next = entry.next end
  entry.scope, entry.next, entry.prev = nil, nil, nil
  return true
end

--- Ends what the handle stands for; twice is not an error.
function entry_methods:close()
  if self.kind == "task" then
    closer.end_task(self)
  elseif unlink(self) and self.finish then
    closer.attempt(self.finish, self)
  end
end

entry_mt.__close = entry_methods.close

function entry_mt:__tostring()
  return ("neap.%s%s"):format(self.kind, self.scope and "" or " (closed)")
end

-- ---- making

local function is_open(self)
  return self.state == "open"
end

local function refuse()
  return nil, "the scope has ended", "closed"
end

local OPTION_NAMES = { "label", "timeout", "within" }

-- parent, on_error and aside (not to be ended by the parent) are neap's own.
local OPTIONS = {
  label = true, timeout = true, within = true,
  parent = true, on_error = true, cancel_timeout = true, aside = true,
}

local function check_options(given)
  for name in pairs(given) do
    if not OPTIONS[name] then
      site.fail("unknown option %s of neap.scope%s", tostring(name),
        suggest.hint(name, OPTION_NAMES))
    end
  end
end

-- Ends the new scope when any of the scopes above it ends.
local function enter(self, above)
  local entry = link(above, { kind = "child", child = self, finish = closer.finish_child })
  self.places[#self.places + 1] = entry
  if above.cancelled_for then self:cancel(above.cancelled_for) end
end

--- Makes a scope. Within a task it is a child of the task's scope.
---@param given table|nil label, timeout in seconds, within = {scopes}
---@return table scope
function scope.new(given)
  given = given or {}
  check_options(given)
  local self = setmetatable({
    state = "open", label_text = given.label, tasks = 0, places = {}, began = core.now(),
    on_error = given.on_error, token = scope.house and core.token "scope",
  }, scope_mt)
  self.parent = given.parent or scope.current() or nil
  self.cancel_timeout = given.cancel_timeout or self.parent and self.parent.cancel_timeout
    or CANCEL_SECONDS
  for _, above in ipairs(given.within or { not given.aside and self.parent or nil }) do
    if is_open(above) then enter(self, above) else self:close { cause = "cancelled" } end
  end
  if given.timeout then self:after_timeout(given.timeout) end
  return self
end

--- Returns the scope of the running task, or nil.
---@return table|nil
function scope.current()
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

local function run_task(self, fn, ...)
  local entry = link(self, { kind = "task", of = self })
  entry.task = core.task(entry, fn, ...)
  if not entry.task then
    unlink(entry)
    return refuse()
  end
  closer.count_task(self, 1, rooted)
  if self.cancelled_for then core.cancel(entry.task) end
  return entry
end

--- Starts a task that the scope owns.
---@param fn function
---@param ... any its arguments
---@return table|nil handle, or nil, message, "closed"
function methods:spawn(fn, ...)
  site.expect(fn, "function", "scope:spawn's argument")
  if not is_open(self) then return refuse() end
  return run_task(self, fn, ...)
end

local function close_timer(entry)
  entry.timer:close()
end

local function start_timer(self, kind, seconds, on_timer)
  local entry = link(self, { kind = kind, finish = close_timer })
  entry.timer = core.timer(function() on_timer(entry) end)
  entry.timer:start(seconds)
  return entry
end

--- Calls `fn` once, after `seconds`, in a task of the scope.
---@param seconds number
---@param fn function
---@return table|nil handle, or nil, message, "closed"
function methods:after(seconds, fn)
  site.expect(seconds, "number", "scope:after's time")
  site.expect(fn, "function", "scope:after's function")
  if not is_open(self) then return refuse() end
  return start_timer(self, "timer", seconds, function(entry)
    local owner = entry.scope
    entry:close()
    run_task(owner, fn)
  end)
end

-- The next moment is counted from the last, so the rate does not drift; moments
-- that have passed meanwhile are left out.
local function next_moment(entry, seconds)
  local now = core.now()
  entry.at = math.max(entry.at + seconds, now)
  return entry.at - now
end

--- Calls `fn` every `seconds`, never beside itself.
---@param seconds number
---@param fn function
---@return table|nil handle, or nil, message, "closed"
function methods:every(seconds, fn)
  site.expect(seconds, "number", "scope:every's time")
  site.expect(fn, "function", "scope:every's function")
  if seconds <= 0 then site.fail("scope:every's time must be more than 0") end
  if not is_open(self) then return refuse() end
  local handle = start_timer(self, "timer", seconds, function(entry)
    local is_busy = entry.run and entry.run.scope
    if not is_busy then entry.run = run_task(entry.scope, fn) end
    entry.timer:start(next_moment(entry, seconds))
  end)
  handle.at = core.now() + seconds
  return handle
end

-- Closes what `own` was given: by its close method, or its __close.
local function close_owned(entry)
  local value = entry.value
  local mt = getmetatable(value)
  if type(mt) == "table" and mt.__close and not entry.by_method then
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
  local entry = link(self,
    { kind = "owned", value = value, by_method = by_method, finish = close_owned })
  if self.state == "closed" then entry:close() end
  return entry
end

local function run_hook(entry)
  local self = entry.of
  entry.fn(self.why or { cause = "closed", age = core.now() - self.began })
end

--- Calls `fn(why)` when the scope ends; at once if it has.
---@param fn function
---@return table handle that forgets the hook
function methods:defer(fn)
  site.expect(fn, "function", "scope:defer's argument")
  local entry = link(self, { kind = "hook", fn = fn, of = self })
  entry.end_with = run_hook
  if self.state == "closed" then closer.finish(entry) end
  return entry
end

--- Calls `fn(reason)` when the scope is cancelled; at once if it is.
---@param fn function
---@return table handle that forgets the hook
function methods:on_cancel(fn)
  site.expect(fn, "function", "scope:on_cancel's argument")
  local entry = link(self, { kind = "hook", fn = fn, of = self, is_cancel = true })
  if self.cancelled_for or self.state == "closed" then closer.run_cancel_hook(entry) end
  return entry
end

--- Makes a scope that ends with this one.
---@param given table|nil label, timeout
---@return table|nil scope, or nil, message, "closed"
function methods:child(given)
  if not is_open(self) then return refuse() end
  local copy = { parent = self }
  for name, value in pairs(given or {}) do copy[name] = value end
  return scope.new(copy)
end

--- Names what the scope does, for the census.
---@param text string|nil
---@return string|nil
function methods:label(text)
  if text then self.label_text = text end
  return self.label_text
end

-- ---- ending

--- Wakes the waits of the scope's tasks and calls its on_cancel hooks; ends
--- nothing else.
---@param reason string|nil
function methods:cancel(reason)
  closer.cancel(self, reason or "cancelled")
end

--- Returns the reason once the scope has been cancelled, or false.
---@return string|false
function methods:cancelled()
  return self.cancelled_for or false
end

function methods:after_timeout(seconds)
  start_timer(self, "timer", seconds, function() self:close { cause = "timeout" } end)
end

--- Ends the scope: cancels, then ends all that it owns in reverse order. Called
--- by a task outside it, returns when that is done; else at once.
---@param why table|nil what its hooks hear; {cause = "closed"} by default
function methods:close(why)
  if type(why) ~= "table" then why = { cause = why and "error" or "closed" } end
  closer.close(self, why)
end

scope_mt.__close = function(self, err)
  self:close { cause = err ~= nil and "error" or "closed" }
end

-- A free-standing scope that the script has dropped. Finalisers must not wait,
-- so the loop does the rest.
scope_mt.__gc = function(self)
  if self.state == "open" then self:close { cause = "closed" } end
end

--- Runs `fn` while cancellation waits for it, at most `seconds`.
---@param seconds number
---@param fn function
---@return any ... what fn returns
function methods.shield(_, seconds, fn)
  site.expect(seconds, "number", "scope:shield's time")
  site.expect(fn, "function", "scope:shield's function")
  return closer.shield(seconds, fn)
end

--- Takes over a callback's task that has begun to wait.
---@param task userdata
function methods:adopt(task)
  if self.state == "closed" then self = scope.house end
  local entry = link(self, { kind = "task", task = task, of = self, is_callback = true })
  core.set_owner(task, entry)
  closer.count_task(self, 1, rooted)
  if self.cancelled_for then core.cancel(task) end
end

closer.use {
  current = scope.current,
  unlink = unlink,
  rooted = rooted,
  report = function(self, err, trace)
    local at = self
    while at and not at.on_error do at = at.parent end
    if at then return at.on_error(err, trace) end
    log.error("error in a task: " .. tostring(err), { trace = trace, label = self.label_text })
  end,
}

--- Adds the scope methods, all but close, to another class.
---@param target table its methods
---@param scope_of function scope_of(object) returns its scope
function scope.install(target, scope_of)
  local names = {
    "spawn", "after", "every", "own", "defer", "on_cancel", "child", "cancel", "cancelled",
    "label",
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

--- The scope of what belongs to the process: callbacks whose own scope is gone.
scope.house = scope.new { label = "house" }
closer.use { house = scope.house }

return scope
