--- neap.middleware.cors: which pages of other origins may read the answers.
--- WebSockets are none of its business: `origins` of their route rules them.

local args = require "neap.middleware.args"
local middleware = require "neap.middleware"
local origin = require "neap.origin"
local response = require "neap.response"
local site = require "neap.site"

local WHAT = "neap.middleware.cors"

local function check_origins(value)
  if value == "any" then return value end
  local rule = type(value) == "table" and origin.check_list(value)
  if rule and rule[1] then return rule end
  return nil, '"any" or a list such as {"https://app.example.org"}'
end

local function check_names(list)
  for _, name in ipairs(list) do
    if type(name) ~= "string" or not args.header_name(name) then
      return nil, "a list of names"
    end
  end
  return table.concat(list, ", ")
end

local OPTIONS = {
  origins = { "string or table", check = check_origins,
    required = 'origins = {"https://app.example.org"}, or "any"' },
  credentials = { "boolean", default = false },
  methods = { "table", check = check_names, default = "GET, HEAD, POST, PUT, PATCH, DELETE" },
  headers = { "table", check = check_names },
  expose = { "table", check = check_names },
  max_age = { "number", default = 600, check = args.count },
}

local PREFLIGHT_VARY =
  "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"

local function allow_origin(own, req, from)
  req:set_header("Access-Control-Allow-Origin", own.origins == "any" and "*" or from)
  if own.credentials then req:set_header("Access-Control-Allow-Credentials", "true") end
end

local function is_allowed(own, from)
  return own.origins == "any" or origin.is_allowed(own.origins, from)
end

-- What the page wants to send, unless the script lists what it may.
local function headers_to_allow(own, req)
  if own.headers then return own.headers end
  local asked = req:header "access-control-request-headers"
  return asked and asked:find("^[%w!#$&'*+.^_`|~, -]+$") and asked or nil
end

local function answer_preflight(own, req, from)
  req:set_header("Vary", PREFLIGHT_VARY)
  if not is_allowed(own, from) then return req:reject(403, "pages of this origin may not ask") end
  allow_origin(own, req, from)
  return (response.new(204, nil, "", {
    ["Access-Control-Allow-Methods"] = own.methods,
    ["Access-Control-Allow-Headers"] = headers_to_allow(own, req),
    ["Access-Control-Max-Age"] = own.max_age,
  }))
end

local function is_preflight(req)
  return req.method == "OPTIONS" and req:header "access-control-request-method" ~= nil
end

--- Tells browsers which pages may read the answers, and answers their
--- preflights.
---@param given table origins, credentials, methods, headers, expose, max_age in seconds
---@return table middleware
return function(given)
  local own = args.read(given, WHAT, OPTIONS)
  if own.credentials and own.origins == "any" then
    site.fail('%s: credentials = true needs a list of origins; "any" would let every page act '
      .. "for its visitor", WHAT)
  end
  return middleware.make {
    name = "cors", type = "cors",
    run = function(req, next)
      local from = req:header "origin"
      if req:is_upgrade() then return next(req) end
      if from and is_preflight(req) then return answer_preflight(own, req, from) end
      if own.origins ~= "any" then req:set_header("Vary", "Origin") end
      if from and is_allowed(own, from) then
        allow_origin(own, req, from)
        if own.expose then req:set_header("Access-Control-Expose-Headers", own.expose) end
      end
      return next(req)
    end,
  }
end
