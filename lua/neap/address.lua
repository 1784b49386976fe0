--- Addresses to listen on: http://127.0.0.1:8080, https://127.0.0.1:8443,
--- unix:/run/x.sock, unix:@name, fd:3 or fd:NAME; with options behind a "?", as
--- in unix:/run/x.sock?mode=660&group=www-data.

local suggest = require "neap.suggest"

local address = {}

local PORTS = { http = 80, https = 443 }

-- Each reads the text of one option; nil and what it should be.
local read = {}

function read.proxy(text)
  if text == "" or text == "1" then return true end
  return nil, "proxy=1, or leave it out"
end

function read.v6only(text)
  if text == "" or text == "1" then return true end
  return nil, "v6only=1, or leave it out"
end

function read.mode(text)
  local mode = text:find "^0?[0-7][0-7][0-7]$" and tonumber(text, 8)
  if mode then return mode end
  return nil, "three octal digits, as in mode=660"
end

function read.owner(text)
  if text:find "^[%w_.-]+$" then return text end
  return nil, "the name or number of a user"
end

function read.group(text)
  if text:find "^[%w_.-]+$" then return text end
  return nil, "the name or number of a group"
end

local TAKES = {
  http = { "proxy", "v6only" },
  https = { "proxy", "v6only" },
  unix = { "proxy", "mode", "owner", "group" },
  fd = { "proxy" },
}

local function is_taken(scheme, name)
  for _, known in ipairs(TAKES[scheme]) do
    if known == name then return true end
  end
  return false
end

local function read_options(parsed, query, scheme, url)
  for pair in query:gmatch "[^&]+" do
    local name, text = pair:match "^([^=]*)=?(.*)$"
    if not is_taken(scheme, name) then
      return nil, ("%s: unknown option %s of %s:%s"):format(url, name, scheme,
        suggest.hint(name, TAKES[scheme]))
    end
    local value, wanted = read[name](text)
    if value == nil then return nil, ("%s: write %s"):format(url, wanted) end
    parsed[name] = value
  end
  return parsed
end

local function read_port(text, scheme)
  local port = text == "" and PORTS[scheme] or tonumber(text)
  return port and port <= 65535 and port or nil
end

local function read_http(rest, url, scheme)
  local authority = rest:match("^//([^/?#]*)/?$")
  if not authority then return nil, url .. ": a listener has no path" end
  local host, digits = authority:match("^%[([%x:.]+)%]:?(%d*)$")
  if not host then host, digits = authority:match("^([%d.]+):?(%d*)$") end
  if not host then host, digits = authority:match("^(localhost):?(%d*)$") end
  if not host then
    return nil, url .. ": write a numeric address or localhost, as in http://127.0.0.1:8080"
  end
  local port = read_port(digits, scheme)
  if not port then return nil, url .. ": a port is a number from 0 to 65535" end
  return {
    host = host == "localhost" and "127.0.0.1" or host, port = port,
    is_secure = scheme == "https" or nil,
  }
end

local function read_fd(rest)
  if rest:find "^%d+$" then return { fd = tonumber(rest) } end
  return rest:find "^[%w_.@-]+$" and { name = rest } or nil
end

local function read_place(scheme, rest, url)
  if PORTS[scheme] and rest:sub(1, 2) == "//" then return read_http(rest, url, scheme) end
  if scheme == "unix" and rest ~= "" and rest ~= "@" then return { path = rest } end
  local parsed = scheme == "fd" and read_fd(rest)
  if parsed then return parsed end
  return nil, url .. ": write http://HOST:PORT, https://HOST:PORT, unix:/PATH, fd:NUMBER or fd:NAME"
end

--- Reads the address of a listener.
---@param url string
---@return table|nil parsed {host, port, is_secure, v6only}, {path, mode, owner, group}, {fd} or
---  {name} of a descriptor that systemd hands over; and proxy
---@return string|nil message
function address.parse(url)
  url = tostring(url)
  local scheme, rest, mark, query = url:match "^(%l+):([^?]*)(%??)(.*)$"
  local parsed, message = read_place(scheme, rest, url)
  if not parsed or mark == "" then return parsed, message end
  return read_options(parsed, query, scheme, url)
end

--- Writes the address that a listener really has.
---@param host string a numeric address, or the path of a unix socket
---@param port integer|nil nil for a unix socket
---@param is_secure boolean|nil
---@return string
function address.format(host, port, is_secure)
  if not port then return "unix:" .. host end
  if host:find(":", 1, true) then host = "[" .. host .. "]" end
  return ("%s://%s:%d"):format(is_secure and "https" or "http", host, port)
end

return address
