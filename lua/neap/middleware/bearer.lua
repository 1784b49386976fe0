--- neap.middleware.bearer: a token (RFC 6750). Pages can't add a header to a
--- WebSocket, so the token may come in the query or a cookie, where asked for.

local args = require "neap.middleware.args"
local core = require "neap.core"
local middleware = require "neap.middleware"
local site = require "neap.site"

local WHAT = "neap.middleware.bearer"

-- A list, or users by token; becomes a list of {token, user}.
local function check_tokens(tokens)
  local list = {}
  for key, value in pairs(tokens) do
    local is_listed = math.type(key) == "integer"
    local token, user = is_listed and value or key, is_listed or value
    if type(token) ~= "string" or token == "" then
      return nil, "a list of tokens, or a table of users by token"
    end
    list[#list + 1] = { token = token, user = user }
  end
  return list
end

local OPTIONS = {
  tokens = { "table", check = check_tokens },
  check = { "function" },
  realm = { "string", default = "neap", check = args.quotable },
  query = { "string" },
  cookie = { "string" },
}

local function token_of(req, own)
  local scheme, token = (req:header "authorization" or ""):match("^(%a+) +(%S+)$")
  if scheme and scheme:lower() == "bearer" then return token end
  token = own.query and req.query[own.query] or own.cookie and req:cookie(own.cookie)
  return token and token ~= "" and token or nil
end

-- Looks at all of them, so that the time says nothing of which one is near.
local function make_check(tokens)
  return function(given)
    local user
    for _, each in ipairs(tokens) do
      if core.is_secret(each.token, given) then user = each.user end
    end
    return user
  end
end

--- Lets in who brings a right token; its user, or what `check` returns, becomes
--- req.ctx.user.
---@param given table tokens, or check = fn(token, req); realm, query, cookie
---@return table middleware
return function(given)
  local own = args.read(given, WHAT, OPTIONS)
  if (own.tokens == nil) == (own.check == nil) then
    site.fail("%s needs either tokens = {\"…\"} or check = fn(token, req)", WHAT)
  end
  local check, realm = own.check or make_check(own.tokens), ('Bearer realm="%s"'):format(own.realm)
  local missing = { ["WWW-Authenticate"] = realm }
  local wrong = { ["WWW-Authenticate"] = realm .. ', error="invalid_token"' }
  return middleware.make {
    name = "bearer", type = "auth",
    run = function(req, next)
      local token = token_of(req, own)
      local user = token and check(token, req)
      if not user then return req:reject(401, nil, token and wrong or missing) end
      req.ctx.user = user
      return next(req)
    end,
  }
end
