--- Bare sockets on which a task can wait: what dialing has until there is a
--- connection. Every wait has one and the same deadline.

local core = require "neap.core"
local wait = require "neap.wait"

local socket = {}

local methods = {}
local mt = { __name = "neap.dial.socket", __index = methods }

--- Seconds until the deadline.
---@param deadline number as core.now counts
---@return number
function socket.left(deadline)
  return math.max(0, deadline - core.now())
end

--- Begins to connect; on_ready(self) is called on the loop once that is over.
---@param target table {address, port}, {path} or {fd}
---@param on_ready fun(self: table)|nil
---@return table|nil self, or nil, message, code
---@return string|nil message
---@return string|nil code
function socket.open(target, on_ready)
  local self = setmetatable({ place = wait.place(), target = target }, mt)
  local message, code
  self.raw, message, code = core.socket(target, function()
    self.is_ready = true
    self.place:wake_all(true)
    if on_ready then on_ready(self) end
  end)
  if not self.raw then return nil, message, code end
  return self
end

--- Watches for "r" or "w", without waiting.
---@param what "r"|"w"
function methods:watch(what)
  self.is_ready = false
  self.raw:watch(what)
end

local function wait_for(self, what, deadline)
  self:watch(what)
  local ready, message, code = self.place:wait(deadline and socket.left(deadline))
  if not ready then return nil, message, code end
  return true
end

--- Waits until it is connected.
---@param deadline number
---@return true|nil connected, or nil, message, code
function methods:connected(deadline)
  local ready, message, code = wait_for(self, "w", deadline)
  if not ready then return nil, message, code end
  return self.raw:check()
end

--- Reads what there is, `most` bytes of it; waits while there is nothing.
---@param most integer
---@param deadline number|nil
---@return string|nil data, or nil, message, code ("closed" at the end)
function methods:read(most, deadline)
  while true do
    local data, message, code = self.raw:read(most)
    if data or code ~= "busy" then return data, message, code end
    local ready
    ready, message, code = wait_for(self, "r", deadline)
    if not ready then return nil, message, code end
  end
end

--- Reads exactly `size` bytes.
---@param size integer
---@param deadline number
---@return string|nil data, or nil, message, code
function methods:read_all(size, deadline)
  local got = ""
  while #got < size do
    local data, message, code = self:read(size - #got, deadline)
    if not data then return nil, message, code end
    got = got .. data
  end
  return got
end

--- Writes all of it; waits while the socket is full.
---@param data string
---@param deadline number
---@return true|nil written, or nil, message, code
function methods:write(data, deadline)
  while data ~= "" do
    local count, message, code = self.raw:write(data)
    if count then
      data = data:sub(count + 1)
    elseif code ~= "busy" then
      return nil, message, code
    else
      local ready
      ready, message, code = wait_for(self, "w", deadline)
      if not ready then return nil, message, code end
    end
  end
  return true
end

--- Hands what it holds to a new one, which is returned: its own close is then
--- nothing.
---@return table
function methods:move()
  local raw = self.raw
  self.raw = nil
  return setmetatable({ place = self.place, target = self.target, raw = raw }, mt)
end

--- Closes it, unless it was handed over.
function methods:close()
  if self.raw then self.raw:close() end
end

mt.__close = methods.close

return socket
