--- Cookies that are set: checked, and with the safe attributes by default.

local site = require "neap.site"
local suggest = require "neap.suggest"

local cookie = {}

local NAMES = { "max_age", "path", "domain", "secure", "http_only", "same_site" }
local SAME_SITE = { strict = "Strict", lax = "Lax", none = "None" }

local function check_options(given)
  site.expect(given, "table or nil", "the cookie's options")
  for name in pairs(given or {}) do
    local is_known = false
    for _, known in ipairs(NAMES) do is_known = is_known or known == name end
    if not is_known then
      site.fail("unknown option %s of a cookie%s", tostring(name), suggest.hint(name, NAMES))
    end
  end
  return given or {}
end

local function check_text(text, what)
  if type(text) ~= "string" or text:find "[%c;,%s]" then
    site.fail("%s must be a string without spaces, commas and semicolons", what)
  end
  return text
end

local function check_value(name, value)
  if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    site.fail("%q is no name for a cookie", tostring(name))
  end
  site.expect(value, "string or nil", "the cookie's value")
  if value and value:find '[%c%s",;\\\128-\255]' then
    site.fail("the value of cookie %s holds a character that no cookie may; encode it", name)
  end
end

local function same_site_of(given, is_secure)
  local same_site = SAME_SITE[tostring(given.same_site or "lax"):lower()]
  if not same_site then site.fail "a cookie's same_site is strict, lax or none" end
  if same_site == "None" and not is_secure then
    site.fail "a cookie with same_site none must be secure: browsers drop it"
  end
  return same_site
end

--- Returns the value of a Set-Cookie header.
---@param name string
---@param value string|nil nil: the client is to forget it
---@param given table|nil max_age in seconds (the browser's session), path ("/"), domain, secure
---  (as the connection is), http_only (true), same_site ("lax", "strict" or "none")
---@param is_tls boolean
---@return string
function cookie.format(name, value, given, is_tls)
  check_value(name, value)
  given = check_options(given)
  local is_secure = given.secure
  if is_secure == nil then is_secure = is_tls end
  local parts = { name .. "=" .. (value or ""),
    "Path=" .. check_text(given.path or "/", "a cookie's path") }
  local function add(part) parts[#parts + 1] = part end
  local age = value and given.max_age or not value and 0
  if age then
    if math.type(age) ~= "integer" then site.fail "a cookie's max_age must be a whole number" end
    add(("Max-Age=%d"):format(age))
  end
  if given.domain then add("Domain=" .. check_text(given.domain, "a cookie's domain")) end
  if is_secure then add "Secure" end
  if given.http_only ~= false then add "HttpOnly" end
  add("SameSite=" .. same_site_of(given, is_secure))
  return table.concat(parts, "; ")
end

return cookie
