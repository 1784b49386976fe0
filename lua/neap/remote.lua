--- Connections by their id, also those of other workers.
--
-- A connection belongs to its worker; others have a name for it, which carries
-- to it what never waits for an answer.

local core = require "neap.core"
local json = require "neap.json"
local site = require "neap.site"

local remote = {}

local methods = {}
local mt = { __name = "neap.remote" }

local NOT_HERE = "conn #%d belongs to worker %d: from here it has only "
  .. "send, text, binary, json, close and terminate"

local OF_CONN = core.methods.conn

function mt:__index(name)
  if methods[name] then return methods[name] end
  if OF_CONN[name] then site.fail(NOT_HERE, self.id, self.worker) end
  return nil
end

function mt:__newindex()
  site.fail(NOT_HERE, self.id, self.worker)
end

function mt:__tostring()
  return ("neap.remote #%d (worker %d)"):format(self.id, self.worker)
end

--- Hands a message on to the connection's worker.
---@param data string
---@param kind "text"|"binary"|nil
---@param options table|nil {key =}
---@return true|nil sent, or nil, message, code
---@return string|nil message "queued", always, when it was sent
---@return string|nil code
function methods:send(data, kind, options)
  local sent, message, code = core.post_send(self.id, data, kind, options)
  return sent, message, code
end

function methods:text(data, options)
  return self:send(data, "text", options)
end

function methods:binary(data, options)
  return self:send(data, "binary", options)
end

---@param value any
function methods:json(value)
  local ok, text = pcall(json.encode, value)
  if not ok then site.fail("%s", tostring(text)) end
  return self:send(text, "text")
end

--- Starts the closing handshake; never fails.
---@param code integer|nil 1000 by default
---@param reason string|nil
function methods:close(code, reason)
  core.post_close(self.id, code or 1000, reason)
end

--- Drops the connection now.
function methods:terminate()
  core.post_close(self.id)
end

mt.__close = function(self, err)
  self:close(err ~= nil and 1011 or 1000)
end

--- Finds a connection of this process by its id.
---@param id integer
---@return userdata|table|nil conn the connection, or what reaches it in another worker
---@return string|nil message
---@return string|nil code
function remote.get(id)
  site.expect(id, "number", "neap.get's id")
  if not math.tointeger(id) then site.fail("neap.get takes the id of a connection") end
  local conn, owner = core.find(math.tointeger(id))
  if conn then return conn end
  if not owner then return nil, ("there is no open connection #%d"):format(id), "closed" end
  return setmetatable({ id = id, worker = owner }, mt)
end

return remote
