--- The opening handshake of a client: what is asked for, and what is made of the
--- answer.

local core = require "neap.core"
local options = require "neap.options"
local site = require "neap.site"
local url = require "neap.url"

local upgrade = {}

-- What the handshake itself says.
local OURS = {
  upgrade = true, connection = true, ["content-length"] = true, ["transfer-encoding"] = true,
  ["sec-websocket-key"] = "protocol", ["sec-websocket-version"] = true,
  ["sec-websocket-accept"] = true, ["sec-websocket-extensions"] = true,
  ["sec-websocket-protocol"] = true,
}

--- Checks the option headers; raises at the script's line.
---@param headers any
function upgrade.check_headers(headers)
  site.expect(headers, "table or nil", "headers")
  for name, value in pairs(headers or {}) do
    if not tostring(name):find("^[%w!#$%%&'*+.^_`|~-]+$") or tostring(value):find("[%c\127]") then
      site.fail("header %s: a name is a token, a value has no control characters", tostring(name))
    end
    if OURS[name:lower()] then site.fail("header %s is the handshake's own", name) end
  end
end

--- Checks the option protocols; raises at the script's line.
---@param protocols any
function upgrade.check_protocols(protocols)
  site.expect(protocols, "table or nil", "protocols")
  for _, name in ipairs(protocols or {}) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
      site.fail("protocols is a list of tokens, and %s is none", tostring(name))
    end
  end
end

local SECRET = { authorization = true, cookie = true }

-- Returns the lines of the request, and the Host that the script wants.
local function header_lines(plan, parsed, headers)
  local lines, host, has_authorization = {}, nil, false
  for name, value in pairs(headers or {}) do
    local lower = name:lower()
    if lower == "host" then
      host = tostring(value)
    elseif not (plan.is_elsewhere and SECRET[lower]) then
      has_authorization = has_authorization or lower == "authorization"
      lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
    end
  end
  table.sort(lines)
  if parsed.credentials and not has_authorization then
    lines[#lines + 1] = ("Authorization: %s\r\n"):format(url.basic(parsed.credentials))
  end
  if plan.protocols and plan.protocols[1] then
    lines[#lines + 1] = ("Sec-WebSocket-Protocol: %s\r\n"):format(
      table.concat(plan.protocols, ", "))
  end
  return table.concat(lines), host
end

-- A subprotocol that was not asked for fails the handshake (RFC 6455, 4.1).
local function check_protocol(conn, plan)
  if not conn.protocol then return conn end
  for _, protocol in ipairs(plan.protocols or {}) do
    if protocol == conn.protocol then return conn end
  end
  conn:terminate()
  return nil, "the server chose a subprotocol that was not asked for", "protocol"
end

local BODY_SHOWN = 120

-- The first words of a refusal, if they are words.
local function excerpt(body)
  local words = body:sub(1, BODY_SHOWN):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
  if words == "" or words:find("[%c<\127-\255]") then return "" end
  return (": %s%s"):format(words, #body > BODY_SHOWN and "..." or "")
end

local function describe(message, answer)
  if not answer or answer.status == 101 then return message end
  return ("the server answered %d%s"):format(answer.status, excerpt(answer.body))
end

-- Each length of a deadline that the core meets is kept, and there are few: so what
-- is left of the whole time is rounded up to a quarter of it.
local function deadline_of(seconds, whole)
  local quarters = math.max(1, math.ceil(4 * seconds / whole))
  return math.max(quarters * whole / 4, 0.001)
end

--- Upgrades a socket, or a pipe in memory, to a WebSocket; waits.
---@param through table {socket = ..., tls = context} or {pipe = ...}
---@param plan table what connect.plan returned
---@param parsed table what url.parse returned
---@param seconds number how long it may take
---@return userdata|nil conn, or nil, message, code, answer
---@return string|nil message
---@return string|nil code
---@return table|nil answer {status, body, name = value}
function upgrade.run(through, plan, parsed, seconds)
  local headers = plan.headers
  if type(headers) == "function" then
    headers = headers()
    upgrade.check_headers(headers)
  end
  local lines, host = header_lines(plan, parsed, headers)
  local flat = options.merge(plan.flat, {
    ["timeouts.handshake"] = deadline_of(seconds, plan.timeout),
  })
  local dial, message, code = core.dial {
    socket = through.socket, pipe = through.pipe, host = host or parsed.host,
    target = parsed.target, headers = lines, tls = through.tls, server_name = parsed.name,
    route = core.route { settings = core.settings(options.for_core(flat)) },
  }
  if not dial then return nil, message, code end
  local under_way <close> = dial
  local conn, answer
  conn, message, code, answer = under_way:wait()
  if not conn then return nil, describe(message, answer), code, answer end
  return check_protocol(conn, plan)
end

return upgrade
