--- Middleware that is ready to use, and what an app takes as middleware.

local site = require "neap.site"
local suggest = require "neap.suggest"

local middleware = {}

local KNOWN = {
  access_log = true, basic_auth = true, bearer = true, cors = true, rate_limit = true,
  real_ip = true, request_id = true,
}

local mt = { __name = "neap.middleware" }

-- One of these can also be called by a script's own middleware.
function mt.__call(self, req, next)
  return self.run(req, next)
end

--- Makes a piece of middleware.
---@param given table name, run = fn(req, next); type, for neap check; attach = fn(scope) for state
---@return table middleware
function middleware.make(given)
  given.calls_next = true
  return setmetatable(given, mt)
end

--- Turns what a script gives to app:use into an item of the app.
---@param value function|table
---@param scope table the app's, to which the state of middleware belongs
---@return table item {run, and name, type, calls_next}
function middleware.read(value, scope)
  if getmetatable(value) ~= mt then
    site.expect(value, "function", "middleware")
    return { run = value }
  end
  if value.attach then value.attach(scope) end
  return { run = value.run, name = value.name, type = value.type, calls_next = true }
end

return setmetatable(middleware, {
  __index = function(_, name)
    if KNOWN[name] then return require("neap.middleware." .. name) end
    site.fail("there is no neap.middleware.%s%s", tostring(name),
      suggest.did_you_mean(name, KNOWN))
  end,
})
