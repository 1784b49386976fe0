--- Bodies of requests: read whole or piece by piece, within limits.body.
--
-- Nothing of a body is read before it is asked for, and no more than is asked
-- for. What a client did wrong with it (too much, malformed, too slow) is what it
-- is answered with when the handler gives up: a script may just say assert.

local core = require "neap.core"
local json = require "neap.json"
local options = require "neap.options"
local site = require "neap.site"
local size = require "neap.size"

local body = {}

local DEFAULT_LIMIT = options.defaults()["limits.body"]

-- What the client is told, by the code of the failure; nil: it is gone.
local STATUS = { too_big = 413, protocol = 400, timeout = 408 }

local function limit_of(env)
  local settled = env._options
  return settled and settled["limits.body"] or DEFAULT_LIMIT
end

local function fail(env, message, code)
  if STATUS[code] then env._fault = { status = STATUS[code], message = message } end
  return nil, message, code
end

local function take(req, limit)
  local piece, message, code = core.read_body(req, limit)
  if not message then return piece end
  if code == "too_big" then message = "the body is over " .. size.format(limit) end
  return fail(core.env(req), message, code)
end

local methods = {}
body.methods = methods

--- Returns the next piece of the body, and nil at its end; waits.
---@return string|nil bytes, or nil, message, code
---@return string|nil message
---@return string|nil code "too_big", "protocol", "timeout", "closed" or "busy"
function methods:read()
  local piece, message, code = take(self, limit_of(core.env(self)))
  return piece, message, code
end

local function check_limit(limit)
  local most, wanted = size.parse(limit)
  return most or site.fail("req:body's limit must be %s", wanted)
end

local function read_all(req, limit)
  local pieces = {}
  while true do
    local piece, message, code = take(req, limit)
    if message then return nil, message, code end
    if not piece then return table.concat(pieces) end
    pieces[#pieces + 1] = piece
  end
end

--- Returns the whole body; waits. Whoever asks again gets it again.
---@param limit integer|string|nil bytes, or "64K"; limits.body by default, 0 is none
---@return string|nil bytes, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:body(limit)
  local env = core.env(self)
  local most = limit == nil and limit_of(env) or check_limit(limit)
  local whole = rawget(env, "_body")
  if whole and most > 0 and #whole > most then
    return fail(env, "the body is over " .. size.format(most), "too_big")
  end
  if whole then return whole end
  local message, code
  whole, message, code = read_all(self, most)
  env._body = whole
  return whole, message, code
end

--- Returns the body as JSON says it; waits. JSON's null is nil, without a message.
---@param req userdata
---@return any value, or nil, message, code
---@return string|nil message
---@return string|nil code "protocol" for what is no JSON
function body.read_json(req)
  local text, message, code = methods.body(req)
  if not text then return nil, message, code end
  local value, fault = json.decode(text)
  if fault then return fail(core.env(req), "the body is no JSON: " .. fault, "protocol") end
  return value
end

return body
