--- Addresses to listen on: http://127.0.0.1:8080, https://127.0.0.1:8443,
--- unix:/run/x.sock, fd:3.

local address = {}

local PORTS = { http = 80, https = 443 }

local function read_port(text, scheme)
  local port = text == "" and PORTS[scheme] or tonumber(text)
  return port and port <= 65535 and port or nil
end

local function read_http(rest, url, scheme)
  local authority = rest:match("^([^/?#]*)/?$")
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

--- Reads the address of a listener.
---@param url string
---@return table|nil parsed {host, port, is_secure}, {path} or {fd}
---@return string|nil message
function address.parse(url)
  local scheme, rest = tostring(url):match("^(%l+):(.*)$")
  if PORTS[scheme] and rest:sub(1, 2) == "//" then
    return read_http(rest:sub(3), url, scheme)
  end
  if scheme == "unix" and rest ~= "" then return { path = rest } end
  if scheme == "fd" and rest:find("^%d+$") then return { fd = tonumber(rest) } end
  return nil, tostring(url)
    .. ": write http://HOST:PORT, https://HOST:PORT, unix:/PATH or fd:NUMBER"
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
