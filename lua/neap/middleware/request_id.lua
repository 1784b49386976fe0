--- neap.middleware.request_id: a name for each request, in its answer and on
--- the lines that it logs.

local args = require "neap.middleware.args"
local core = require "neap.core"
local middleware = require "neap.middleware"
local tag = require "neap.tag"

local OPTIONS = {
  header = { "string", default = "X-Request-Id", check = args.header_name },
  trust = { "boolean", default = true },
}

local LONGEST = 128

-- What may go into logs and headers of other services without a second thought.
local function is_sane(text)
  return #text <= LONGEST and text:find("^[%w._:/+=-]+$") ~= nil
end

local function to_hex(byte)
  return ("%02x"):format(byte:byte())
end

local function new_id()
  return (core.random(16):gsub(".", to_hex))
end

--- Takes the sane id that came with the request, or makes one: req.id.
---@param given table|nil header, trust = false to make one always
---@return table middleware
return function(given)
  local own = args.read(given, "neap.middleware.request_id", OPTIONS)
  return middleware.make {
    name = "request_id",
    run = function(req, next)
      local came = own.trust and req:header(own.header)
      local id = came and is_sane(came) and came or new_id()
      req.id = id
      tag.add(req, { id = id })
      req:set_header(own.header, id)
      return next(req)
    end,
  }
end
