--- Pools: things that are dear to make, lent to one task at a time.
--
-- What is out or being made counts as open until its dispose has returned, so a
-- database never sees more than max_open. A place that falls free goes to the
-- one that has waited longest, as does what comes back.

local codes = require "neap.codes"
local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"
local lease = require "neap.lease"
local log = require "neap.log"
local scope = require "neap.scope"
local site = require "neap.site"
local suggest = require "neap.suggest"
local wait = require "neap.wait"

local pool = {}

local methods = {}
local mt = { __name = "neap.pool", __index = methods }

local loan_methods = {}
local loan_mt = { __name = "neap.loan", __index = loan_methods }

local MAX_OPEN = 10
local CLOSED = "the pool is closed"
local PLACE = {} -- what a waiter gets that may make an item

-- ---- options

local OPTIONS = {
  make = "function", dispose = "function or nil", label = "string or nil",
  max_open = "number or nil", max_idle = "number or nil",
  max_lifetime = "number or nil", max_wait = "number or nil",
}

local OPTION_NAMES = {
  "dispose", "label", "make", "max_idle", "max_lifetime", "max_open", "max_wait",
}

local function check_count(given, name, least)
  local value = given[name]
  if value and (math.type(value) ~= "integer" or value < least) then
    site.fail("neap.pool's %s must be an integer, %d or more", name, least)
  end
end

local function check_options(given)
  site.expect(given, "table", "neap.pool's options")
  for name in pairs(given) do
    if not OPTIONS[name] then
      site.fail("unknown option %s of neap.pool%s", tostring(name),
        suggest.hint(name, OPTION_NAMES))
    end
  end
  for _, name in ipairs(OPTION_NAMES) do
    site.expect(given[name], OPTIONS[name], "neap.pool's " .. name)
  end
  check_count(given, "max_open", 1)
  check_count(given, "max_idle", 0)
  wait.check_limit(given.max_lifetime, "neap.pool's max_lifetime")
  wait.check_limit(given.max_wait, "neap.pool's max_wait")
end

-- ---- places and items

-- Gives a free place to the one that has waited longest.
local function pass_on(self)
  if self.open < self.max_open and self.waiters:wake_one(PLACE) then
    self.open = self.open + 1
  end
end

local function free_place(self)
  self.open = self.open - 1
  pass_on(self)
end

local function dispose(self, item)
  entry.attempt(self.dispose, item.value)
  free_place(self)
  self.disposing = self.disposing - 1
  if self.disposing == 0 then self.disposed:wake_all(true) end
end

-- A dispose may wait, and whoever gives back must not: the house does it.
local function discard(self, item)
  self.disposing = self.disposing + 1
  if core.is_running() then
    job.run_in_house(dispose, self, item)
  else
    dispose(self, item)
  end
end

local function is_old(self, item)
  return self.max_lifetime and core.now() - item.born >= self.max_lifetime
end

local function is_closed(self)
  return self.scope.state ~= "open"
end

local sweep_later

local function sweep(self)
  self.sweeper = nil
  local fresh = {}
  for _, item in ipairs(self.idle) do
    if is_old(self, item) then discard(self, item) else fresh[#fresh + 1] = item end
  end
  self.idle = fresh
  sweep_later(self)
end

function sweep_later(self)
  if not self.max_lifetime or self.sweeper or not self.idle[1] then return end
  local oldest = math.huge
  for _, item in ipairs(self.idle) do oldest = math.min(oldest, item.born) end
  local left = math.max(0, oldest + self.max_lifetime - core.now())
  self.sweeper = self.scope:after(left, function() sweep(self) end)
end

local function put(self, item)
  if is_closed(self) or is_old(self, item) then return discard(self, item) end
  if self.waiters:wake_one(item) then return end
  if #self.idle >= self.max_idle then return discard(self, item) end
  self.idle[#self.idle + 1] = item
  sweep_later(self)
end

local function put_back(self, gift)
  if gift == PLACE then free_place(self) elseif gift then put(self, gift) end
end

local function close_value(value)
  value:close()
end

-- ---- making

local function end_all(self)
  self.waiters:wake_all(nil, CLOSED, "closed")
  while self.idle[1] do discard(self, table.remove(self.idle)) end
  while self.disposing > 0 and wait.is_possible() do self.disposed:wait() end
end

--- Makes a pool. Made within a task, it is closed with the task's scope.
---@param given table make, dispose, max_open, max_idle, max_lifetime and max_wait in seconds
---@return table pool
function pool.new(given)
  check_options(given)
  local max_open = given.max_open or MAX_OPEN
  local self = setmetatable({
    make = given.make, dispose = given.dispose or close_value, max_open = max_open,
    max_idle = given.max_idle or max_open, max_lifetime = given.max_lifetime,
    max_wait = given.max_wait, idle = {}, open = 0, disposing = 0, disposed = wait.place(),
    scope = scope.new { label = given.label or "pool" },
  }, mt)
  self.waiters = wait.place(function(gift) put_back(self, gift) end)
  self.scope:defer(function() end_all(self) end)
  return self
end

local place_mt = {
  __close = function(place)
    if place.pool then free_place(place.pool) end
  end,
}

local function report(err)
  return { message = tostring(err), trace = debug.traceback(tostring(err), 2) }
end

-- In a place that is taken already; it is given back when make fails, or when
-- its task is closed meanwhile.
local function make_item(self)
  local place <close> = setmetatable({ pool = self }, place_mt)
  local ok, value, message, code = xpcall(self.make, report)
  if not ok then
    log.error("error in a pool's make: " .. value.message, { trace = value.trace })
    return wait.fail(value.message, "io")
  end
  if value == nil then
    return wait.fail(message or "make returned nothing", codes.checked(code))
  end
  place.pool = nil
  return { value = value, born = core.now() }
end

local function take_idle(self)
  while self.idle[1] do
    local item = table.remove(self.idle)
    if not is_old(self, item) then return item end
    discard(self, item)
  end
end

local function find(self, seconds)
  local item = take_idle(self)
  if item then return item end
  if self.open < self.max_open then
    self.open = self.open + 1
    return make_item(self)
  end
  local gift, message, code = self.waiters:wait(seconds or self.max_wait)
  if gift == PLACE then return make_item(self) end
  return gift, message, code
end

-- ---- lending

--- Borrows an item; waits while all are out. It is given back by the loan's
--- close, or when the task that borrowed it ends.
---@param seconds number|nil how long to wait at most, max_wait by default
---@return table|nil loan with the field item, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:borrow(seconds)
  wait.check_limit(seconds, "pool:borrow's time")
  if is_closed(self) then return wait.fail(CLOSED, "closed") end
  local item, message, code = find(self, seconds)
  if not item then return nil, message, code end
  local loan = setmetatable({ pool = self, lent = item, item = item.value }, loan_mt)
  local tied
  tied, message, code = lease.tie(loan)
  if tied then return loan end
  put(self, item)
  return nil, message, code
end

--- Calls fn(item, ...) with a borrowed item.
---@param fn function
---@return any ... what fn returns, or nil, message, code
function methods:with(fn, ...)
  site.expect(fn, "function", "pool:with's argument")
  local loan, message, code = self:borrow()
  if not loan then return nil, message, code end
  local _ <close> = loan
  return fn(loan.item, ...)
end

local function end_loan(loan, give)
  local self, item = loan.pool, loan.lent
  if not self then return end
  loan.pool, loan.lent, loan.item = nil, nil, nil
  lease.untie(loan)
  give(self, item)
end

--- Gives the item back; twice is not an error.
function loan_methods:close()
  end_loan(self, put)
end

--- Gives an item back that is of no more use: it is disposed of.
function loan_methods:discard()
  end_loan(self, discard)
end

loan_mt.__close = loan_methods.close

--- Returns how many items are open (lent, idle, being made or disposed of), and
--- how many of these are idle.
---@return integer open
---@return integer idle
function methods:count()
  return self.open, #self.idle
end

--- Closes the pool: what is idle is disposed of now, what is lent when it comes
--- back; whoever waits hears of it.
function methods:close()
  self.scope:close()
end

mt.__close = methods.close

function mt:__tostring()
  return ("neap.pool (%s)"):format(is_closed(self) and "closed"
    or ("%d open, %d idle"):format(self.open, #self.idle))
end

return pool
