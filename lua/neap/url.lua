--- URLs of WebSocket servers: ws://host:port/path?query, wss://…, and
--- ws+unix:/run/x.sock:/path for a unix socket.

local core = require "neap.core"

local url = {}

local PORTS = { ws = 80, wss = 443 }

-- What http names means the same server, and redirects use it.
local ALIASES = { http = "ws", https = "wss" }

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- Splits user:password@ off an authority.
---@param authority string
---@return string rest
---@return string|nil credentials "user:password", unescaped
function url.split_user(authority)
  local user, rest = authority:match("^(.*)@([^@]*)$")
  if not user then return authority, nil end
  if not user:find(":", 1, true) then user = user .. ":" end
  return rest, unescape(user)
end

--- Splits host:port.
---@param authority string
---@param default integer|nil the port where none is written
---@return string|nil name without the brackets of IPv6; nil when it is neither
---@return integer|nil port
function url.split_port(authority, default)
  local name, port = authority:match("^%[([%x:.]+)%]:?(%d*)$")
  if not name then name, port = authority:match("^([^:@%[%]]+):?(%d*)$") end
  if not name then return nil end
  port = port == "" and default or math.tointeger(port)
  if not port or port < 1 or port > 65535 then return nil end
  return name, port
end

local function parse_unix(rest, text)
  local path, target = rest:gsub("^//", ""):match("^([^:]+):?(.*)$")
  if not path then return nil, text .. ": write ws+unix:/run/app.sock:/path" end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  return {
    scheme = "ws+unix", path = path, host = "localhost", name = "localhost",
    target = target, shown = text,
  }
end

-- The URL as messages show it: without a password.
local function show(scheme, authority, target)
  return ("%s://%s%s"):format(scheme, authority, target)
end

local function parse_network(scheme, rest, text)
  local authority, target = rest:match("^([^/?#]*)([^#]*)$")
  if not authority then return nil, text .. ": a WebSocket URL has no #fragment" end
  local credentials
  authority, credentials = url.split_user(authority)
  local name, port = url.split_port(authority, PORTS[scheme])
  if not name then return nil, text .. ": no host and port there" end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  return {
    scheme = scheme, host = authority, name = name, port = port, target = target,
    credentials = credentials, shown = show(scheme, authority, target),
  }
end

--- Reads the URL of a WebSocket server.
---@param text string
---@return table|nil parsed {scheme, host, name, port, target, credentials, shown} or with path
---@return string|nil message
function url.parse(text)
  local scheme, rest = text:match("^(%a[%w+.-]*):(.*)$")
  if not scheme then return nil, text .. ": write ws://host:port/path" end
  scheme = scheme:lower()
  if scheme == "ws+unix" then return parse_unix(rest, text) end
  scheme = ALIASES[scheme] or scheme
  if not PORTS[scheme] then return nil, text .. ": not a WebSocket URL" end
  if rest:sub(1, 2) ~= "//" then return nil, text .. ": write ws://host:port/path" end
  return parse_network(scheme, rest:sub(3), text)
end

--- Reads where a redirect leads.
---@param from table what url.parse returned
---@param location string as the Location field has it
---@return table|nil parsed
---@return string|nil message
function url.follow(from, location)
  location = location:gsub("#.*$", "")
  if location:find("^%a[%w+.-]*:") then return url.parse(location) end
  local base = ("%s://%s"):format(from.scheme, from.host)
  if location:sub(1, 2) == "//" then return url.parse(from.scheme .. ":" .. location) end
  if location:sub(1, 1) == "/" then return url.parse(base .. location) end
  local path = from.target:gsub("%?.*$", "")
  if location:sub(1, 1) == "?" then return url.parse(base .. path .. location) end
  return url.parse(base .. path:gsub("[^/]*$", "") .. location)
end

--- Says whether two URLs name one server.
---@return boolean
function url.is_same_server(a, b)
  return a.name:lower() == b.name:lower() and a.port == b.port and a.path == b.path
end

--- Says whether a host's name is a numeric address.
---@param name string
---@return boolean
function url.is_address(name)
  return name:find("^%d+%.%d+%.%d+%.%d+$") ~= nil or name:find(":", 1, true) ~= nil
end

--- The value of an Authorization field for "user:password".
---@param credentials string
---@return string
function url.basic(credentials)
  return "Basic " .. core.codec.base64(credentials)
end

return url
