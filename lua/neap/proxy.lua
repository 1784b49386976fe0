--- Proxies: which one a URL goes through, and what is said to it.

local site = require "neap.site"
local url = require "neap.url"

local proxy = {}

local KINDS = { http = "http", socks5 = "socks5", socks5h = "socks5" }
local PORTS = { http = 80, socks5 = 1080 }

--- Reads http://user:password@host:port or socks5://host:port.
---@param text string
---@return table|nil parsed {kind, name, port, credentials, shown}
---@return string|nil message
function proxy.parse(text)
  local scheme, rest = text:match("^(%a[%w+.-]*)://([^/?#]*)/?$")
  if not scheme then scheme, rest = "http", text:match("^([^/?#]+)$") end
  local kind = KINDS[(scheme or ""):lower()]
  if not kind or not rest then
    return nil, "a proxy is written http://host:port or socks5://host:port"
  end
  local authority, credentials = url.split_user(rest)
  local name, port = url.split_port(authority, PORTS[kind])
  if not name then return nil, "no host and port in the proxy's URL" end
  return {
    kind = kind, name = name, port = port, credentials = credentials,
    shown = ("%s://%s"):format(kind, authority),
  }
end

-- ---- the environment

local VARIABLES = {
  ws = { "http_proxy", "all_proxy", "ALL_PROXY" },
  wss = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" },
}

local function matches(pattern, parsed)
  local name = parsed.name:lower()
  local host, port = url.split_port(pattern)
  if port and port ~= parsed.port then return false end
  pattern = (host or pattern):lower():gsub("^%*?%.", ""):gsub("^%[(.*)%]$", "%1")
  return pattern == "*" or name == pattern or name:sub(-#pattern - 1) == "." .. pattern
end

-- NO_PROXY: names (and all below them), addresses, each with a port or without,
-- or * for all.
local function is_excepted(parsed, getenv)
  local list = getenv "no_proxy" or getenv "NO_PROXY" or ""
  for pattern in list:gmatch "[^%s,]+" do
    if matches(pattern, parsed) then return true end
  end
  return false
end

--- Returns the proxy that the environment names for a URL, or nil.
---@param parsed table what url.parse returned
---@param getenv fun(name: string): string|nil os.getenv by default
---@return table|nil proxy
---@return string|nil message when what it names is no proxy
function proxy.from_env(parsed, getenv)
  getenv = getenv or os.getenv
  if parsed.path or is_excepted(parsed, getenv) then return nil end
  for _, name in ipairs(VARIABLES[parsed.scheme]) do
    local text = getenv(name)
    if text and text ~= "" then
      local found, message = proxy.parse(text)
      return found, message and ("%s: %s"):format(name, message)
    end
  end
end

--- Checks the option: a URL, "env", or false; raises at the script's line.
---@param option any
function proxy.check(option)
  if option == nil or option == false or option == "env" then return end
  local ok, message = nil, 'proxy must be a URL, "env" or false'
  if type(option) == "string" then ok, message = proxy.parse(option) end
  if not ok then site.fail("%s", message) end
end

--- Returns the proxy that a URL goes through, or nil.
---@param option string|false|nil
---@param parsed table
---@return table|nil proxy
---@return string|nil message
function proxy.choose(option, parsed)
  if not option or parsed.path then return nil end
  if option == "env" then return proxy.from_env(parsed) end
  return proxy.parse(option)
end

-- ---- HTTP CONNECT

local HEAD_MAX = 8192

-- The other end does not speak before we do, so nothing comes behind the head.
local function read_head(socket, deadline)
  local head = ""
  repeat
    local data, message, code = socket:read(HEAD_MAX, deadline)
    if not data then return nil, message, code end
    head = head .. data
    if #head > HEAD_MAX then return nil, "its answer is too long", "protocol" end
  until head:find("\r\n\r\n", 1, true)
  return head
end

local function connect_http(socket, via, host, deadline)
  local lines = { ("CONNECT %s HTTP/1.1"):format(host), "Host: " .. host }
  if via.credentials then
    lines[#lines + 1] = "Proxy-Authorization: " .. url.basic(via.credentials)
  end
  local ok, message, code = socket:write(table.concat(lines, "\r\n") .. "\r\n\r\n", deadline)
  if not ok then return nil, message, code end
  local head
  head, message, code = read_head(socket, deadline)
  if not head then return nil, message, code end
  local status, reason = head:match "^HTTP/1%.[01] (%d%d%d) ?([^\r\n%c]*)"
  if not status then return nil, "its answer is not HTTP", "protocol" end
  if status:sub(1, 1) == "2" then return true end
  local answer = { proxy_status = tonumber(status) }
  return nil, ("it said %s %s"):format(status, reason), "refused", answer
end

-- ---- SOCKS5 (RFC 1928, 1929)

local REPLIES = {
  "general failure", "not allowed by its rules", "network unreachable", "host unreachable",
  "connection refused", "time to live expired", "command not supported",
  "address type not supported",
}

local function log_in(socket, via, deadline)
  local user, password = (via.credentials or ":"):match "^(.-):(.*)$"
  local ok, message, code = socket:write("\1" .. string.pack("s1s1", user, password), deadline)
  if not ok then return nil, message, code end
  local answer
  answer, message, code = socket:read_all(2, deadline)
  if not answer then return nil, message, code end
  if answer:byte(2) == 0 then return true end
  return nil, "it refused the user and password", "refused", { proxy_status = 407 }
end

local function greet(socket, via, deadline)
  local offer = via.credentials and "\5\2\0\2" or "\5\1\0"
  local ok, message, code = socket:write(offer, deadline)
  if not ok then return nil, message, code end
  local answer
  answer, message, code = socket:read_all(2, deadline)
  if not answer then return nil, message, code end
  if answer == "\5\0" then return true end
  if answer == "\5\2" and via.credentials then return log_in(socket, via, deadline) end
  if answer:byte() ~= 5 then return nil, "its answer is not SOCKS5", "protocol" end
  return nil, "it wants another way to log in", "refused", { proxy_status = 407 }
end

-- Its answer ends with an address, which is of no use here.
local function read_reply(socket, deadline)
  local head, message, code = socket:read_all(5, deadline)
  if not head then return nil, message, code end
  local reply, kind = head:byte(2), head:byte(4)
  if reply ~= 0 then return nil, "it said " .. (REPLIES[reply] or "no"), "refused" end
  local rest = ({ [1] = 5, [3] = head:byte(5) + 2, [4] = 17 })[kind]
  if not rest then return nil, "its answer is not SOCKS5", "protocol" end
  head, message, code = socket:read_all(rest, deadline)
  return head and true, message, code
end

-- The name goes to the proxy as it is: who uses one may have no name server.
local function pack_destination(name, port)
  local a, b, c, d = name:match "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$"
  if a then return string.pack(">BBBBBI2", 1, a, b, c, d, port) end
  return string.pack(">Bs1I2", 3, name, port)
end

local function connect_socks5(socket, via, host, deadline)
  local name, port = url.split_port(host)
  local ok, message, code, answer = greet(socket, via, deadline)
  if not ok then return nil, message, code, answer end
  ok, message, code = socket:write("\5\1\0" .. pack_destination(name, port), deadline)
  if not ok then return nil, message, code end
  return read_reply(socket, deadline)
end

local DIALOGS = { http = connect_http, socks5 = connect_socks5 }

--- Asks a proxy, on a socket that is connected to it, for a way to a host; waits.
---@param socket table
---@param via table what proxy.parse returned
---@param parsed table what url.parse returned
---@param deadline number
---@return true|nil done, or nil, message, code, answer
---@return string|nil message
---@return string|nil code
---@return table|nil answer {proxy_status = 407}
function proxy.tunnel(socket, via, parsed, deadline)
  local name = parsed.name:find(":", 1, true) and "[" .. parsed.name .. "]" or parsed.name
  local host = ("%s:%d"):format(name, parsed.port)
  local ok, message, code, answer = DIALOGS[via.kind](socket, via, host, deadline)
  if ok then return true end
  if code == "closed" and message ~= "cancelled" then message = "it hung up" end
  return nil, ("proxy %s: %s"):format(via.shown, message), code, answer
end

return proxy
