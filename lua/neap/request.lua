--- Requests: what handlers read from a request, and the answers they make.
--
-- Most requests ask for a path and nothing else, so query, headers, cookies,
-- ctx and the scope are made when they are first looked at.

local bodies = require "neap.body"
local cookie = require "neap.cookie"
local events = require "neap.events"
local json = require "neap.json"
local response = require "neap.response"
local router = require "neap.router"
local scope = require "neap.scope"
local site = require "neap.site"
local stream = require "neap.stream"

local request = {}

local methods = {}

local function unescape(text)
  local plain = text:gsub("+", " ")
  return router.decode(plain) or plain
end

--- Reads "a=1&b=2"; the first value of a repeated name counts.
---@param text string
---@return table<string, string>
function request.parse_query(text)
  local query = {}
  for pair in text:gmatch("[^&]+") do
    local name, value = pair:match("^([^=]*)=?(.*)$")
    name = unescape(name)
    if query[name] == nil then query[name] = unescape(value) end
  end
  return query
end

--- Reads a Cookie header; the first of a repeated name counts.
---@param text string
---@return table<string, string>
function request.parse_cookies(text)
  local cookies = {}
  for name, value in text:gmatch("%s*([^=;,%s]+)%s*=%s*([^;,]*)") do
    value = value:gsub("%s+$", ""):gsub('^"(.*)"$', "%1")
    if cookies[name] == nil then cookies[name] = value end
  end
  return cookies
end

--- Splits a request target into its decoded path, raw path and raw query.
---@param target string "/a?b=c" or "http://host/a?b=c"
---@return string raw_path
---@return string raw_query
function request.split_target(target)
  if target:byte(1) ~= 0x2f then
    local rest = target:match("^%a[%w+.-]*://[^/?]*(.*)$")
    target = rest and (rest:sub(1, 1) == "/" and rest or "/" .. rest) or target
  end
  local mark = target:find("?", 1, true)
  if not mark then return target, "" end
  return target:sub(1, mark - 1), target:sub(mark + 1)
end

local headers_mt = {
  __index = function(headers, name)
    return type(name) == "string" and rawget(headers, name:lower()) or nil
  end,
}

local function read_headers(req)
  local headers = {}
  for _, field in ipairs(req:fields()) do
    local name, value = field[1]:lower(), field[2]
    headers[name] = headers[name] and headers[name] .. ", " .. value or value
  end
  return setmetatable(headers, headers_mt)
end

local LAZY = {
  path = function(env)
    local path = request.split_target(env._req.target)
    return router.decode(path) or path
  end,
  query = function(env)
    local _, query = request.split_target(env._req.target)
    return request.parse_query(query)
  end,
  params = function() return {} end,
  ctx = function() return {} end,
  headers = function(env) return read_headers(env._req) end,
  cookies = function(env) return request.parse_cookies(env._req:header "cookie" or "") end,
  scope = function(env, parent)
    local own = scope.new { label = "request", parent = parent, of_request = true }
    own.tags = rawget(env, "_tags")
    if rawget(env, "_is_over") then own:close() end
    return own
  end,
}

--- Makes the metatable for the own tables of an app's requests.
---@param parent table the scope above the requests'
---@return table env_mt
function request.make_env_mt(parent)
  return {
    __close = request.finish,
    __index = function(env, key)
      local make = LAZY[key]
      if not make then return nil end
      local value = make(env, parent)
      rawset(env, key, value)
      return value
    end,
  }
end

--- Prepares a request's own table.
---@param env table core.env(req)
---@param req userdata
---@param env_mt table
---@param settled table the options in force
---@return table env
function request.prepare(env, req, env_mt, settled)
  env._req, env._options = req, settled
  return setmetatable(env, env_mt)
end

--- Ends what the request opened: its scope, if anyone asked for it. It is the
--- __close of env, so that it runs also when the task is closed while it waits.
---@param env table
function request.finish(env)
  env._is_over = true
  local own = rawget(env, "scope")
  if own then own:close() end
  local file = rawget(env, "_file")
  if file then file:close() end
end

--- Returns the value of a cookie, or nil.
---@param name string
---@return string|nil
function methods:cookie(name)
  return self.cookies[name]
end

--- Answers with plain text.
---@param body string
---@param status integer|nil 200 by default
---@param headers table|nil
function methods.text(_, body, status, headers)
  return (response.text(status or 200, body, headers))
end

--- Answers with a page.
---@param body string
---@param status integer|nil 200 by default
---@param headers table|nil
function methods.html(_, body, status, headers)
  return (response.new(status or 200, "text/html; charset=utf-8", body, headers))
end

--- Answers with `value` as JSON. Without an argument: returns what the body of
--- the request says in JSON, and waits for it.
---@param ... any value, status (200 by default), headers
---@return any answer, or the body's value; or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:json(...)
  if select("#", ...) == 0 then
    local value, message, code = bodies.read_json(self)
    return value, message, code
  end
  local value, status, headers = ...
  local ok, text = pcall(json.encode, value)
  if not ok then site.fail("%s", tostring(text)) end
  return (response.new(status or 200, "application/json", text, headers))
end

--- Sends the client on to `location`.
---@param location string
---@param status integer|nil 303 by default
---@param headers table|nil
function methods.redirect(_, location, status, headers)
  site.expect(location, "string", "the location")
  local answer = response.new(status or 303, nil, "", headers)
  if location:find("[%c ]") then site.fail("the location holds a space or control character") end
  answer.headers.Location = location
  return answer
end

--- Makes an answer that is sent while it is made: with `run(stream)`, once it
--- has passed the middleware, or by the writes of the handler itself.
---@param status integer|fun(stream)|nil 200 by default
---@param headers table|nil
---@param run fun(stream)|nil its return ends the answer
---@return table stream with write(data), which waits for room, and close()
function methods:stream(status, headers, run)
  if type(status) == "function" then status, headers, run = nil, nil, status end
  site.expect(run, "function or nil", "req:stream's function")
  return (stream.new(self, status or 200, "application/octet-stream", headers, run))
end

--- Makes an answer of server-sent events, until `run(events)` or the handler
--- returns, or the client goes.
---@param run fun(events)|nil
---@return table events with send, wait_closed, close, last_id and all that a scope has
function methods:events(run)
  return (events.new(self, run))
end

local function add_line(req, line)
  local lines = req._lines or {}
  lines[#lines + 1], req._lines = line, lines
end

--- Sets a cookie with the answer, whichever it will be.
---@param name string
---@param value string|nil nil: the client is to forget it
---@param options table|nil max_age, path, domain, secure, http_only, same_site
function methods:set_cookie(name, value, options)
  add_line(self, "Set-Cookie: " .. cookie.format(name, value, options, self.tls ~= nil) .. "\r\n")
end

--- Adds a header to the answer, whichever it will be: also to a stream, whose
--- head leaves before its handler returns, and to the 101.
---@param name string
---@param value string|number
function methods:set_header(name, value)
  add_line(self, (response.line(name, value)))
end

--- Refuses the request.
---@param status integer 400 to 599
---@param message string|nil the text that the client gets; the standard phrase by default
---@param headers table|nil
function methods.reject(_, status, message, headers)
  site.expect(message, "string or nil", "the message")
  return (response.refuse(status, message, headers))
end

--- Puts the methods of requests, and those of scopes, into neap.core's table.
---@param target table core.methods.request
function request.install(target)
  scope.install(target, function(req) return req.scope end)
  for name, method in pairs(methods) do target[name] = method end
  for name, method in pairs(bodies.methods) do target[name] = method end
end

return request
