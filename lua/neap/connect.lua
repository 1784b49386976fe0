--- neap.connect: a client's connection, from its URL to the open WebSocket.
--
-- Resolving, connecting, the proxy, the upgrade and redirects share one
-- deadline, and each gives back what it holds however it ends.

local core = require "neap.core"
local eyeballs = require "neap.dial.eyeballs"
local options = require "neap.options"
local proxy = require "neap.proxy"
local resolve = require "neap.dial.resolve"
local site = require "neap.site"
local socket = require "neap.dial.socket"
local tls = require "neap.tls"
local upgrade = require "neap.dial.upgrade"
local urls = require "neap.url"

require "neap.conn"

local connect = {}

local TIMEOUT = 10 -- seconds
local REDIRECTS_MOST = 20

-- Options beside those of a route.
local BESIDE = {
  headers = true, protocols = true, timeout = true, proxy = true, redirects = true,
}
for name in pairs(tls.CLIENT_OPTIONS) do BESIDE[name] = true end

local function check_numbers(given)
  site.expect(given.timeout, "number or nil", "timeout")
  if given.timeout and not (given.timeout > 0 and given.timeout < 2 ^ 31) then
    site.fail("timeout must be a number of seconds above 0")
  end
  local redirects = given.redirects or 0
  if math.type(redirects) ~= "integer" or redirects < 0 or redirects > REDIRECTS_MOST then
    site.fail("redirects must be a whole number from 0 to %d", REDIRECTS_MOST)
  end
end

--- Checks the options of a client; raises at the script's line.
---@param given table
---@param others table<string, boolean>|nil further options, which are not looked at
---@return table plan for connect.attempt
function connect.plan(given, others)
  local beside = {}
  for name in pairs(BESIDE) do beside[name] = true end
  for name in pairs(others or {}) do beside[name] = true end
  local own, message = options.parse(given, "route", beside)
  if not own then site.fail("%s", message) end
  check_numbers(given)
  if type(given.headers) ~= "function" then upgrade.check_headers(given.headers) end
  upgrade.check_protocols(given.protocols)
  proxy.check(given.proxy)
  return {
    flat = options.merge(options.defaults(), own), headers = given.headers,
    protocols = given.protocols, timeout = given.timeout or TIMEOUT,
    proxy = given.proxy, redirects = given.redirects or 0, tls = given,
  }
end

local function ignore() end

local function open_unix(path, deadline)
  local own <close>, message, code = socket.open { path = path }
  local ok
  if own then ok, message, code = own:connected(deadline) end
  if ok then return own:move() end
  return nil, ("%s (%s)"):format(message, path), code
end

-- Returns a socket that is connected to the server, or to its proxy.
local function open_socket(target, deadline, on_state)
  if target.path then
    on_state "connecting"
    return open_unix(target.path, deadline)
  end
  on_state "resolving"
  local addresses, message, code = resolve.addresses(target.name, deadline)
  if not addresses then return nil, message, code end
  on_state "connecting"
  return eyeballs.connect(addresses, target.port, deadline)
end

local function reach(parsed, plan, deadline, on_state)
  local via, wrong = proxy.choose(plan.proxy, parsed)
  if wrong then return nil, wrong, "refused" end
  local context, fault, kind
  if parsed.scheme == "wss" then
    context, fault, kind = tls.for_client(plan.tls)
    if not context then return nil, fault, kind end
  end
  local own <close>, message, code = open_socket(via or parsed, deadline, on_state)
  if not own then
    return nil, via and ("proxy %s: %s"):format(via.shown, message) or message, code
  end
  local ok, answer
  if via then
    ok, message, code, answer = proxy.tunnel(own, via, parsed, deadline)
    if not ok then return nil, message, code, answer end
  end
  on_state(context and "tls" or "upgrade")
  return upgrade.run({ socket = own.raw, tls = context }, plan, parsed, socket.left(deadline))
end

local REDIRECT = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- Where an answer leads to, if it may be followed; or nil and why not.
local function next_stop(parsed, answer)
  local location = answer and REDIRECT[answer.status] and answer.location
  if not location then return nil end
  local to, message = urls.follow(parsed, location)
  if not to then return nil, "redirected to " .. message end
  if to.path then return nil, "redirected to a unix socket" end
  if parsed.scheme == "wss" and to.scheme ~= "wss" then
    return nil, ("redirected to %s, which is not encrypted"):format(to.shown)
  end
  return to
end

-- The plan for another server: what lets us in at this one is not its business.
local function elsewhere(plan)
  return setmetatable({ is_elsewhere = true }, { __index = plan })
end

local function say_why(message, code)
  return code == "timeout" and message == "timed out" and "no answer in time" or message
end

--- Makes one attempt; waits.
---@param parsed table what url.parse returned
---@param plan table what connect.plan returned
---@param on_state fun(state: string)|nil is told resolving, connecting, tls, upgrade
---@return userdata|nil conn, or nil, message, code, answer
---@return string|nil message
---@return string|nil code
---@return table|nil answer {status, body, name = value} where the server said no
function connect.attempt(parsed, plan, on_state)
  local deadline, left = core.now() + plan.timeout, plan.redirects
  while true do
    local conn, message, code, answer = reach(parsed, plan, deadline, on_state or ignore)
    if conn then return conn end
    local to, refused
    if left > 0 then to, refused = next_stop(parsed, answer) end
    if not to then
      message = ("%s: %s"):format(parsed.shown, refused or say_why(message, code))
      return nil, message, code, answer
    end
    if not urls.is_same_server(parsed, to) then plan = elsewhere(plan) end
    parsed, left = to, left - 1
  end
end

--- Reads a URL; raises at the script's line unless it is a string.
---@param url string
---@return table|nil parsed
---@return string|nil message
function connect.parse(url)
  site.expect(url, "string", "the URL")
  return urls.parse(url)
end

--- Opens a connection to a WebSocket server; waits.
---@param url string ws://host:port/path, wss://…, ws+unix:/path.sock:/path
---@param given table|nil headers, protocols, timeout, proxy, redirects, limits, timeouts; ca, cert,
--- key, passphrase and insecure for wss://
---@return userdata|nil conn, or nil, message, code
---@return string|nil message
---@return string|nil code
function connect.open(url, given)
  site.expect(given, "table or nil", "neap.connect's options")
  local parsed, message = connect.parse(url)
  if not parsed then return nil, message, "refused" end
  local conn, code
  conn, message, code = connect.attempt(parsed, connect.plan(given or {}))
  if not conn then return nil, message, code end
  return conn
end

--- Opens a connection through a pipe in memory, for neap.test; waits.
---@param pipe userdata core.pipe
---@param path string
---@param given table|nil as connect.open
---@return userdata|nil conn, or nil, message, code
function connect.through(pipe, path, given)
  local parsed = { host = "localhost", target = path }
  local conn, message, code = connect.upgrade(pipe, parsed, connect.plan(given or {}))
  if not conn then return nil, message, code end
  return conn
end

--- The same for a client, which looks at the answer too.
---@param pipe userdata
---@param parsed table what connect.parse returned
---@param plan table what connect.plan returned
---@return userdata|nil conn, or nil, message, code, answer
function connect.upgrade(pipe, parsed, plan)
  return upgrade.run({ pipe = pipe }, plan, parsed, plan.timeout)
end

return connect
