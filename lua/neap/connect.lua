--- neap.connect: a client's connection, from its URL to the open WebSocket.

local core = require "neap.core"
local options = require "neap.options"
local site = require "neap.site"
local tls = require "neap.tls"

require "neap.conn"

local PORTS = { ws = 80, wss = 443 }

local connect = {}

--- Reads ws://host:port/path?query, or wss://.
---@param url string
---@return table|nil parsed {host, port, name, target, is_secure}
---@return string|nil message
function connect.parse(url)
  local scheme, rest = url:match("^(%a[%w+.-]*)://(.*)$")
  if not scheme then return nil, url .. ": write ws://host:port/path" end
  scheme = scheme:lower()
  if not PORTS[scheme] then return nil, ("%s: not a WebSocket URL"):format(url) end
  local authority, target = rest:match("^([^/?#]*)([^#]*)$")
  if not authority then return nil, url .. ": a WebSocket URL has no #fragment" end
  local name, port = authority:match("^(%[[%x:.]+%]):?(%d*)$")
  if not name then name, port = authority:match("^([^:@]+):?(%d*)$") end
  port = port and (port == "" and PORTS[scheme] or math.tointeger(port))
  if not port or port > 65535 then return nil, ("%s: no host and port there"):format(url) end
  if target:sub(1, 1) ~= "/" then target = "/" .. target end
  return {
    host = authority, port = port, name = name:gsub("[%[%]]", ""), target = target,
    is_secure = scheme == "wss",
  }
end

local BESIDE = { headers = true, protocols = true, timeout = true }
for name in pairs(tls.CLIENT_OPTIONS) do BESIDE[name] = true end

local function header_lines(given)
  local lines = {}
  for name, value in pairs(given.headers or {}) do
    if not tostring(name):find("^[%w!#$%%&'*+.^_`|~-]+$") or tostring(value):find("[%c\127]") then
      site.fail("header %s: a name is a token, a value has no control characters", tostring(name))
    end
    lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
  end
  if given.protocols and given.protocols[1] then
    lines[#lines + 1] = ("Sec-WebSocket-Protocol: %s\r\n"):format(
      table.concat(given.protocols, ", "))
  end
  return table.concat(lines)
end

local function make_route(given)
  local own, message = options.parse(given, "route", BESIDE)
  if not own then site.fail("%s", message) end
  local flat = options.merge(options.defaults(), own)
  if given.timeout then flat["timeouts.handshake"] = given.timeout end
  return core.route { settings = core.settings(options.for_core(flat)) }
end

local function is_address(name)
  return name:find("^%d+%.%d+%.%d+%.%d+$") or name:find(":", 1, true)
end

local function dial_once(attempt)
  local dial, message, code = core.dial(attempt)
  if not dial then return nil, message, code end
  local under_way <close> = dial
  local conn
  conn, message, code = under_way:wait()
  return conn, message, code
end

local function dial_each(addresses, attempt)
  local failed, why = "no address", "refused"
  for _, address in ipairs(addresses) do
    attempt.address = address
    local conn, message, code = dial_once(attempt)
    if conn then return conn end
    failed, why = message, code
    if code == "cancelled" or code == "tls" then break end
  end
  return nil, failed, why
end

-- A subprotocol that was not asked for fails the handshake (RFC 6455, 4.1).
local function check_protocol(conn, given, url)
  if not conn.protocol then return conn end
  for _, protocol in ipairs(given.protocols or {}) do
    if protocol == conn.protocol then return conn end
  end
  conn:terminate()
  return nil, ("%s: the server chose a subprotocol that was not asked for"):format(url), "protocol"
end

--- Opens a connection to a WebSocket server; waits.
---@param url string ws://host:port/path or wss://
---@param given table|nil headers, protocols, timeout in seconds, limits, timeouts; ca, cert, key,
--- passphrase and insecure for wss://
---@return userdata|nil conn, or nil, message, code
---@return string|nil message
---@return string|nil code
function connect.open(url, given)
  site.expect(url, "string", "the URL")
  given = given or {}
  local parsed, message = connect.parse(url)
  if not parsed then return nil, message, "refused" end
  local attempt = {
    host = parsed.host, port = parsed.port, target = parsed.target,
    headers = header_lines(given), route = make_route(given),
  }
  local addresses, code = { parsed.name }
  if parsed.is_secure then
    attempt.server_name = parsed.name
    attempt.tls, message, code = tls.for_client(given)
    if not attempt.tls then return nil, message, code end
  end
  if not is_address(parsed.name) then
    addresses, message, code = core.resolve(parsed.name)
    if not addresses then return nil, ("%s: %s"):format(url, message), code end
  end
  local conn
  conn, message, code = dial_each(addresses, attempt)
  if not conn then return nil, ("%s: %s"):format(url, message), code end
  conn, message, code = check_protocol(conn, given, url)
  return conn, message, code
end

--- Opens a connection through a pipe in memory, for neap.test; waits.
---@param pipe userdata core.pipe
---@param path string
---@param given table|nil as connect.open
---@return userdata|nil conn, or nil, message, code
function connect.through(pipe, path, given)
  given = given or {}
  local conn, message, code = dial_once {
    pipe = pipe, host = "localhost", target = path, headers = header_lines(given),
    route = make_route(given),
  }
  if not conn then return nil, message, code end
  conn, message, code = check_protocol(conn, given, path)
  return conn, message, code
end

return connect
