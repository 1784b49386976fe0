--- neap.middleware.basic_auth: a name and a password (RFC 7617).

local args = require "neap.middleware.args"
local core = require "neap.core"
local middleware = require "neap.middleware"
local site = require "neap.site"

local WHAT = "neap.middleware.basic_auth"

local function check_users(users)
  for name, password in pairs(users) do
    if type(name) ~= "string" or name == "" or name:find("[%c:]") then
      return nil, "a table of passwords by name; a name has no colon"
    end
    if type(password) ~= "string" or password == "" then
      return nil, ("a table of passwords by name; the one of %s is no text"):format(name)
    end
  end
  return users
end

local OPTIONS = {
  users = { "table", check = check_users },
  check = { "function" },
  realm = { "string", default = "neap", check = args.quotable },
}

-- Returns the name and password that a request brings, or nil.
local function credentials_of(req)
  local scheme, encoded = (req:header "authorization" or ""):match("^(%a+) +(%S+)$")
  if not scheme or scheme:lower() ~= "basic" then return nil end
  local plain = core.codec.unbase64(encoded)
  if not plain then return nil end
  return plain:match("^([^:%c]*):([^%c]*)$")
end

-- An unknown name takes as long as a wrong password.
local function make_check(users)
  local nobody = core.random(16)
  return function(name, password)
    local is_right = core.is_secret(users[name] or nobody, password)
    return is_right and users[name] ~= nil
  end
end

--- Lets in who brings a right name and password; the name becomes req.ctx.user,
--- or what `check` returns in place of true.
---@param given table users = {name = password}, or check = fn(name, password, req); realm
---@return table middleware
return function(given)
  local own = args.read(given, WHAT, OPTIONS)
  if (own.users == nil) == (own.check == nil) then
    site.fail("%s needs either users = {name = password} or check = fn(name, password, req)", WHAT)
  end
  local check = own.check or make_check(own.users)
  local challenge = { ["WWW-Authenticate"] =
    ('Basic realm="%s", charset="UTF-8"'):format(own.realm) }
  return middleware.make {
    name = "basic_auth", type = "auth",
    run = function(req, next)
      local name, password = credentials_of(req)
      local verdict = name and check(name, password, req)
      if not verdict then return req:reject(401, nil, challenge) end
      req.ctx.user = verdict == true and name or verdict
      return next(req)
    end,
  }
end
