--- The app: what a script registers, checked at the line that says it.

local core = require "neap.core"
local drain = require "neap.drain"
local json = require "neap.json"
local log = require "neap.log"
local options = require "neap.options"
local pipeline = require "neap.pipeline"
local request = require "neap.request"
local router = require "neap.router"
local scope = require "neap.scope"
local serve = require "neap.serve"
local site = require "neap.site"

require "neap.conn" -- what the core calls for each connection

local app = {}

local methods = {}
local mt = { __name = "neap.app", __index = methods }

request.install(core.methods.request)
scope.install(methods, function(self) return self.scope end)

-- What the app itself has started: it goes on without it.
local function log_error(err, trace)
  log.error("error in a task of the app: " .. tostring(err), { trace = trace })
end

--- Makes an app.
---@param given table|nil the app's options
---@return table app
function app.new(given)
  site.expect(given, "table or nil", "neap.app's options")
  local own, message = options.parse(given or {}, "app")
  if not own then site.fail("%s", message) end
  if own.json then json.use(own.json) end
  return setmetatable({
    options = own,
    where = site.caller(),
    scope = scope.new { label = "app", on_error = log_error },
    router = router.new(),
    routes = {},
    middleware = {},
    listeners = {},
    draining = false,
  }, mt)
end

--- Says whether `value` is an app.
---@param value any
---@return boolean
function app.is_app(value)
  return getmetatable(value) == mt
end

function mt:__tostring()
  return ("neap.app: %s"):format(self.where or "?")
end

local function refuse_late(self)
  if self.make_handler then
    site.fail("routes and middleware are registered before the app listens")
  end
end

--- Registers middleware for the routes that follow it.
---@param name string|function a name for the log, or the function itself
---@param run function|nil fn(req, next) returns an answer
---@return table app
function methods:use(name, run)
  refuse_late(self)
  if type(name) == "function" and run == nil then
    name, run = "at " .. (site.caller() or "?"), name
  end
  site.expect(name, "string", "the middleware's name")
  site.expect(run, "function", "middleware")
  table.insert(self.middleware, { name = name, run = run })
  return self
end

local function add_route(self, method, path, route)
  refuse_late(self)
  site.expect(path, "string", "the path")
  route.where = site.caller()
  route.depth = #self.middleware
  route.label = (method == "*" and "any" or method:lower()) .. " " .. path
  local entry, message = self.router:add(method, path, route)
  if not entry then site.fail("%s", message) end
  table.insert(self.routes, route)
  return self
end

local CALLBACKS = { "accept", "open", "message", "writable", "draining", "close", "error" }

local BESIDE = { protocols = true }
for _, name in ipairs(CALLBACKS) do BESIDE[name] = true end

local function check_protocols(protocols)
  site.expect(protocols, "table or nil", "protocols")
  for _, protocol in ipairs(protocols or {}) do
    local is_token = type(protocol) == "string" and protocol:find("^[%w!#$%%&'*+.^_`|~-]+$")
    if not is_token then site.fail("%s is no name for a protocol", tostring(protocol)) end
  end
end

local function read_route(given)
  local route = { protocols = given.protocols }
  check_protocols(given.protocols)
  for _, name in ipairs(CALLBACKS) do
    site.expect(given[name], "function or nil", name)
    route[name] = given[name]
  end
  local own, message = options.parse(given, "route", BESIDE)
  if not own then site.fail("%s", message) end
  route.options = own
  return route
end

-- A function is a task: its return closes the connection, as its error does.
local function run_as_task(route, handler)
  for _, name in ipairs { "open", "message" } do
    if route[name] then site.fail("a route is either a function or %s, not both", name) end
  end
  route.task = handler
end

--- Serves WebSockets on `path`.
---@param path string "/chat/:room"
---@param given table|function callbacks and options; or a task fn(conn, req)
---@param handler function|nil the task, when `given` holds only options
---@return table app
function methods:ws(path, given, handler)
  if type(given) == "function" then given, handler = {}, given end
  site.expect(given, "table", "app:ws's handlers")
  site.expect(handler, "function or nil", "app:ws's handler")
  local route = read_route(given)
  if handler then run_as_task(route, handler) end
  return (add_route(self, "WS", path, route))
end

local function serve_method(method)
  return function(self, path, handler)
    site.expect(handler, "function", "the handler")
    return (add_route(self, method, path, { handler = handler }))
  end
end

--- Each answers one method on `path` with what `handler(req)` returns.
methods.get = serve_method "GET"
methods.post = serve_method "POST"
methods.put = serve_method "PUT"
methods.patch = serve_method "PATCH"
methods.delete = serve_method "DELETE"
methods.head = serve_method "HEAD"

--- Answers every method that has no handler of its own on `path`.
methods.any = serve_method "*"

--- Calls `fn(conn)` for each open connection.
---@param fn fun(conn: userdata)
function methods.each(_, fn)
  site.expect(fn, "function", "app:each's argument")
  for conn in core.conns() do fn(conn) end
end

--- Sends to every subscriber of `topic`; never waits.
---@param topic string
---@param data string
---@param kind "text"|"binary"|nil "text" by default
---@param how table|nil {except = conn}
---@return integer reached
function methods.publish(_, topic, data, kind, how)
  return core.publish(topic, data, kind or "text", how and how.except)
end

--- Returns the counts of what was opened and closed, by class.
---@param how table|nil {collect = true} runs a full collection first
---@return table<string, table>
function methods.census(_, how)
  return require("neap.census")(how)
end

-- Options in force: defaults, then the script's, then the command's --set.
local function settle(self)
  local over = serve.command.set or {}
  self.settled = options.merge(options.defaults(), self.options, over)
  return self.settled
end

-- Routes with the same options share one settings object.
local function settings_maker()
  local made = {}
  return function(flat)
    local taken, key = options.for_core(flat), {}
    for name, value in pairs(taken) do key[#key + 1] = name .. "=" .. tostring(value) end
    table.sort(key)
    local id = table.concat(key, ";")
    made[id] = made[id] or core.settings(taken)
    return made[id]
  end
end

local function make_core_route(route, settings, above)
  return core.route {
    label = route.label, settings = settings, scope = above, task = route.task, open = route.open,
    message = route.message, writable = route.writable, close = route.close,
    error = route.error,
  }
end

-- Freezes the app: every route gets its settings and its chain.
local function compile(self)
  local flat, settings_for = settle(self), settings_maker()
  for _, route in ipairs(self.routes) do
    local own = options.merge(flat, route.options or {})
    route.origins = own.origins
    if not route.handler then route.core = make_core_route(route, settings_for(own), self.scope) end
  end
  self.settings = settings_for(flat)
  self.scope.cancel_timeout = flat["timeouts.cancel"]
  self.make_handler = pipeline.compile(self, core)
end

--- Compiles an app for a listener that is not one of its own.
---@param self table the app
---@return userdata settings
---@return function on_request
function app.prepare(self)
  if not self.make_handler then compile(self) end
  return self.settings, self.make_handler(nil)
end

--- Starts to accept on `url`.
---@param url string http://127.0.0.1:8080, unix:/run/x.sock or fd:3; port 0 picks one
---@return userdata|nil listener
---@return string|nil message
---@return string|nil code
function methods:listen(url)
  if not self.make_handler then compile(self) end
  return serve.listen(self, url)
end

--- Listens, serves until a signal or app:drain ends it, and prints the receipt.
---@param how table|nil {listen = url or list of urls, drain = seconds}
---@return integer status what the process should exit with
function methods:run(how)
  site.expect(how, "table or nil", "app:run's options")
  return (serve.run(self, how or {}))
end

--- Stops in order: no new connection, 1001 to all, the rest dropped at the deadline.
---@param how table|nil {deadline = seconds}, `timeouts.drain` by default
---@return boolean
function methods:drain(how)
  local flat = self.settled or settle(self)
  return drain.start(self, how and how.deadline or flat["timeouts.drain"])
end

--- Stops at once: every connection is dropped.
---@return boolean
function methods:stop()
  return drain.start(self, 0)
end

return app
