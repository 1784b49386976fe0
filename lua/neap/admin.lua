--- The admin listener: is it alive, is it ready, and what lives in it.
--
-- It answers operators, not the world: on a loopback address or a unix socket,
-- unless it is asked to answer anywhere.

local address = require "neap.address"
local census = require "neap.census"
local core = require "neap.core"
local handed = require "neap.handed"
local json = require "neap.json"
local origin = require "neap.origin"

local admin = {}

local TEXT = "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"
local JSON = "Content-Type: application/json\r\nCache-Control: no-store\r\n"

local function is_ready(app)
  return not app.draining and not app.is_starting
end

local PAGES = {
  ["/livez"] = function() return 200, TEXT, "ok\n" end,
  ["/readyz"] = function(app)
    if is_ready(app) then return 200, TEXT, "ready\n" end
    return 503, TEXT, app.draining and "draining\n" or "starting\n"
  end,
  ["/census"] = function()
    local now = census()
    return 200, JSON, json.encode { classes = now.classes, dropped = now.dropped,
      abandoned = now.abandoned, shed = now.shed, refused = now.refused }
  end,
}

-- A page of another site may not read it through a name of its own.
local function answer(app, req)
  local page = PAGES[req.target:match "^[^?]*"]
  if not page then return 404, TEXT, "/livez, /readyz or /census\n" end
  if req.method ~= "GET" and req.method ~= "HEAD" then
    return 405, TEXT .. "Allow: GET, HEAD\r\n", "GET only\n"
  end
  return page(app)
end

local function on_request(app, hosts)
  return function(req)
    if hosts and not origin.answers(hosts, req:header "host") then
      return req:answer(421, TEXT, "this server does not answer that host name\n")
    end
    local status, headers, body = answer(app, req)
    return req:answer(status, headers, body)
  end
end

--- Opens the admin listener of an app.
---@param app table
---@param url string
---@param anywhere boolean|nil also on addresses that others reach
---@return userdata|nil listener
---@return string|nil message
function admin.listen(app, url, anywhere)
  local parsed, message = address.parse(url)
  if not parsed then return nil, message end
  if parsed.is_secure then return nil, ("--admin %s: it speaks http alone"):format(url) end
  local is_there, missing = handed.resolve(parsed)
  if not is_there then return nil, ("cannot listen on %s: %s"):format(url, missing) end
  local is_local = parsed.path or parsed.fd or origin.is_loopback(parsed.host)
  if not is_local and not anywhere then
    return nil, ("--admin %s: others could reach it; use a loopback address, or --admin-any")
      :format(url)
  end
  parsed.settings = core.settings { header = 8192, handshake = 10, write = 10, close = 5 }
  parsed.on_request = on_request(app, parsed.host and is_local and origin.LOOPBACK_HOSTS or nil)
  local listener, failure = core.listen(parsed)
  if not listener then return nil, ("cannot listen on %s: %s"):format(url, failure) end
  return listener
end

return admin
