--- neap.middleware.rate_limit: so many requests in a time, for each address or
--- whatever key the script chooses.

local args = require "neap.middleware.args"
local buckets = require "neap.middleware.buckets"
local core = require "neap.core"
local ip = require "neap.ip"
local middleware = require "neap.middleware"

local OPTIONS = {
  requests = { "number", check = args.count, required = "requests = 100, per = 60" },
  per = { "number", default = 1, check = args.positive },
  burst = { "number", check = args.count },
  key = { "function" },
  keys = { "number", default = 10000, check = args.count },
  of = { "string", default = "all", check = function(value)
    if value == "all" or value == "handshakes" then return value end
    return nil, '"all" or "handshakes"'
  end },
  message = { "string" },
}

local LONGEST_KEY = 64

-- A long key is kept as its hash, so that keys are of bounded size too.
local function short(key)
  key = tostring(key)
  return #key > LONGEST_KEY and core.codec.sha1(key) or key
end

local function key_of_address(req)
  return ip.key(req.remote)
end

--- Answers 429 with Retry-After beyond the rate; a key of nil is not limited.
---@param given table requests, per = seconds, burst, key = fn(req), keys, of, message
---@return table middleware
return function(given)
  local own = args.read(given, "neap.middleware.rate_limit", OPTIONS)
  local key_of = own.key or key_of_address
  local known = buckets.new(own.per / own.requests, own.burst or own.requests, own.keys)
  return middleware.make {
    name = "rate_limit", type = not own.key and "address" or nil,
    attach = function(scope) scope:defer(function() known:clear() end) end,
    run = function(req, next)
      if own.of == "handshakes" and not req:is_upgrade() then return next(req) end
      local key = key_of(req)
      if key == nil then return next(req) end
      local taken, wait = known:take(short(key), core.now())
      if taken then return next(req) end
      return req:reject(429, own.message, { ["Retry-After"] = math.ceil(wait) })
    end,
  }
end
