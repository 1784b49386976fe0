--- Channels: values that tasks hand to one another, at most so many at a time.
--
-- A value that was handed to a task which was closed before it could take it
-- goes to the next one, or back to the front: nothing is lost on the way.

local entry = require "neap.entry"
local scope = require "neap.scope"
local site = require "neap.site"
local wait = require "neap.wait"

local channel = {}

local methods = {}
local mt = { __name = "neap.channel", __index = methods }

local CLOSED = "the channel is closed"

local function push(self, value)
  self.last = self.last + 1
  self.held[self.last] = value
end

local function pop(self)
  local value = self.held[self.first]
  self.held[self.first] = nil
  self.first = self.first + 1
  return value
end

local function put_back(self, value)
  if value == nil or self.receivers:wake_one(value) then return end
  self.first = self.first - 1
  self.held[self.first] = value
end

--- Makes a channel that holds up to `size` values; with 0 a send waits until its
--- value is received. Made within a task, it is closed with the task's scope.
---@param size integer|nil 0 by default
---@return table channel
function channel.new(size)
  size = size or 0
  if math.type(size) ~= "integer" or size < 0 then
    site.fail("neap.channel's size must be an integer, 0 or more")
  end
  local self = setmetatable({ size = size, held = {}, first = 1, last = 0 }, mt)
  self.receivers = wait.place(function(value) put_back(self, value) end)
  self.senders = wait.place()
  local own = scope.current()
  if own then entry.keep(own, self) end
  return self
end

--- Hands a value over; waits while the channel is full.
---@param value any but nil
---@param seconds number|nil how long to wait at most
---@return true|nil sent, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:send(value, seconds)
  if value == nil then site.fail("channel:send needs a value: nil is the end of a channel") end
  wait.check_limit(seconds, "channel:send's time")
  if self.is_closed then return wait.fail(CLOSED, "closed") end
  if self.receivers:wake_one(value) then return true end
  if self:count() < self.size then
    push(self, value)
    return true
  end
  local sent, message, code = self.senders:wait(seconds, value)
  return sent, message, code
end

--- Takes the next value; waits while there is none. What a closed channel still
--- holds can be taken.
---@param seconds number|nil how long to wait at most
---@return any value, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:receive(seconds)
  wait.check_limit(seconds, "channel:receive's time")
  local has_value = self:count() > 0
  local value
  if has_value then value = pop(self) end
  local has_sender, next_value = self.senders:wake_one(true)
  if has_value then
    if has_sender then push(self, next_value) end
    return value
  end
  if has_sender then return next_value end
  if self.is_closed then return wait.fail(CLOSED, "closed") end
  local message, code
  value, message, code = self.receivers:wait(seconds)
  return value, message, code
end

local function next_value(self)
  return (self:receive())
end

--- for value in channel:values() do ... end, until it is closed.
function methods:values()
  return next_value, self
end

--- Returns how many values are held.
---@return integer
function methods:count()
  return self.last - self.first + 1
end

--- Closes it: no more is sent, and who waits hears of it.
function methods:close()
  if self.is_closed then return end
  self.is_closed = true
  entry.forget(self)
  self.receivers:wake_all(nil, CLOSED, "closed")
  self.senders:wake_all(nil, CLOSED, "closed")
end

mt.__close = methods.close

function mt:__tostring()
  return ("neap.channel (%s)"):format(self.is_closed and "closed" or self:count())
end

return channel
