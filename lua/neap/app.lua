--- The app: what a script registers, checked at the line that says it.

local admission = require "neap.admission"
local core = require "neap.core"
local drain = require "neap.drain"
local guests = require "neap.guests"
local json = require "neap.json"
local log = require "neap.log"
local middleware = require "neap.middleware"
local mount = require "neap.mount"
local once = require "neap.once"
local options = require "neap.options"
local order = require "neap.order"
local pipeline = require "neap.pipeline"
local plan = require "neap.plan"
local provide = require "neap.provide"
local request = require "neap.request"
local router = require "neap.router"
local scope = require "neap.scope"
local serve = require "neap.serve"
local service = require "neap.service"
local site = require "neap.site"
local static = require "neap.static"
local tls = require "neap.tls"
local wait = require "neap.wait"

require "neap.conn" -- what the core calls for each connection

local app = {}

local methods = {}
local mt = { __name = "neap.app", __index = methods }

request.install(core.methods.request)
scope.install(methods, function(self) return self.scope end)
once.install(methods)

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
  local own_scope = scope.new { label = "app", on_error = log_error }
  own_scope.provides = provide.registry(own_scope)
  own_scope.listeners, own_scope.doors = {}, {}
  return setmetatable({
    options = own,
    where = site.caller(),
    scope = own_scope,
    router = router.new(), -- its own paths alone, so that a clash is told at its line
    items = {}, -- middleware, routes and mounts, in the order of registration
    routes = {},
    listeners = own_scope.listeners,
    secured = setmetatable({}, { __mode = "k" }), -- listeners that speak TLS
    draining = false,
    doors = own_scope.doors, -- of each listener: door.lua
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

local function expect_app(self)
  if app.is_app(self) then return end
  site.fail("the methods of an app are called with a colon, as in app:get(path, handler)")
end

local function refuse_late(self)
  expect_app(self)
  if self.is_frozen then
    site.fail("routes and middleware are registered before the app listens")
  end
end

local function add_item(self, kind, item)
  item.kind, item.where = kind, site.caller()
  table.insert(self.items, item)
  return self
end

--- Registers middleware for the routes that follow it.
---@param name string|function|table a name for the log, or the middleware itself
---@param run function|table|nil fn(req, next) returns an answer; or one of neap.middleware
---@return table app
function methods:use(name, run)
  refuse_late(self)
  if type(name) ~= "string" and run == nil then
    name, run = nil, name
  end
  site.expect(name, "string or nil", "the middleware's name")
  local item = middleware.read(run, self.scope)
  item.name = name or item.name
  item.label = "middleware " .. (item.name or "at " .. (site.caller() or "?"))
  return (add_item(self, "middleware", item))
end

local function add_route(self, method, path, route)
  refuse_late(self)
  site.expect(path, "string", "the path")
  route.where, route.method, route.path = site.caller(), method, path
  if method == "*" then route.verb = "any" end
  local entry, message = self.router:add(method, path, route)
  if not entry then site.fail("%s", message) end
  table.insert(self.routes, route)
  return (add_item(self, "route", route))
end

--- Serves another app beneath `prefix`: its routes, middleware and files, with
--- its own options. It ends with this one.
---@param prefix string "/api", or with parameters "/:room"
---@param other table an app that is mounted nowhere else and does not listen
---@return table app
function methods:mount(prefix, other)
  refuse_late(self)
  site.expect(prefix, "string", "the prefix")
  if not app.is_app(other) then
    site.fail("app:mount needs an app behind its prefix, not a %s", type(other))
  end
  mount.enter(self, other, prefix)
  provide.mount(self.scope.provides, other.scope.provides)
  return (add_item(self, "mount", { prefix = prefix:gsub("(.)/$", "%1"), app = other }))
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
  expect_app(self)
  if type(given) == "function" then given, handler = {}, given end
  site.expect(given, "table", "app:ws's handlers")
  site.expect(handler, "function or nil", "app:ws's handler")
  local route = read_route(given)
  if handler then run_as_task(route, handler) end
  return (add_route(self, "WS", path, route))
end

local function serve_method(method)
  return function(self, path, given, handler)
    expect_app(self)
    if type(given) == "function" and handler == nil then given, handler = {}, given end
    site.expect(handler, "function", "the handler")
    site.expect(given, "table", "the route's options")
    local own, message = options.parse(given, "route")
    if not own then site.fail("%s", message) end
    return (add_route(self, method, path, { handler = handler, options = own }))
  end
end

--- Each answers one method on `path` with what `handler(req)` returns.
local serve_get = serve_method "GET"
methods.post = serve_method "POST"
methods.put = serve_method "PUT"
methods.patch = serve_method "PATCH"
methods.delete = serve_method "DELETE"
methods.head = serve_method "HEAD"

local get_value = methods.get

--- Answers GET on `path`; or, as every scope's, returns what the app provides
--- under a name.
---@param path string a path, or a name
---@param given table|function|nil options of the route, such as limits; or the handler
---@param handler function|nil
function methods:get(path, given, handler)
  expect_app(self)
  local is_name = given == nil and type(path) == "string" and path:sub(1, 1) ~= "/"
  if not is_name then return (serve_get(self, path, given, handler)) end
  local value, message, code = get_value(self, path)
  return value, message, code
end

--- Answers every method that has no handler of its own on `path`.
methods.any = serve_method "*"

--- Serves the files of a directory beneath `prefix`, and none beside it.
---@param prefix string "/", "/assets"
---@param directory string
---@param given table|nil cache (seconds, or a Cache-Control), index ("index.html"; false: none),
---  precompressed (true: file.br and file.gz beside file), hidden (false: no dot files), types,
---  headers
---@return table app
function methods:static(prefix, directory, given)
  for _, each in ipairs(static.routes(prefix, directory, given)) do
    add_route(self, "GET", each.path, each.route)
  end
  return self
end

--- Provides a value to `get` of the app, its connections, requests and services.
---@param name string
---@param given table lifetime = "singleton"|"scoped"|"transient", needs = {names},
---  make = fn(scope, ...), dispose = fn(value)
---@return table app
function methods:provide(name, given)
  if self.is_frozen then site.fail("values are provided before the app listens") end
  provide.value(self.scope.provides, name, given)
  return self
end

--- Starts something before the app accepts, and stops it after its connections.
---@param given table name, start = fn(scope, ...) returns within 30 s, stop = fn(seconds),
---  needs = {names}, each_worker = true, restart = true or {min = .5, max = 30}
---@return table app
function methods:service(given)
  if self.is_frozen then site.fail("services are registered before the app listens") end
  service.add(self.scope.provides, given)
  return self
end

--- Calls `fn(conn)` for each open connection.
---@param fn fun(conn: userdata)
function methods.each(_, fn)
  site.expect(fn, "function", "app:each's argument")
  for conn in core.conns() do fn(conn) end
end

--- Returns how many connections are open, in all workers.
---@return integer
function methods.count()
  return core.counts(true).conn.live
end

local PUBLISH_OPTIONS = { except = "userdata or nil", key = "string or nil" }

--- Sends to every subscriber of `topic`; never waits.
---@param topic string
---@param data string
---@param kind "text"|"binary"|nil "text" by default
---@param how table|nil {except = conn, key = what the message replaces where it waits}
---@return integer|nil reached, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods.publish(_, topic, data, kind, how)
  site.expect(topic, "string", "app:publish's topic")
  site.expect(data, "string", "app:publish's data")
  if kind and kind ~= "text" and kind ~= "binary" then
    site.fail('app:publish\'s kind must be "text" or "binary", not %s', tostring(kind))
  end
  if how ~= nil then site.options(how, PUBLISH_OPTIONS, "app:publish") end
  return core.publish(topic, data, kind, how)
end

--- Returns the counts of what was opened and closed, by class.
---@param how table|nil {collect = true} runs a full collection first
---@return table<string, table>
function methods.census(_, how)
  return (require("neap.census")(how))
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

-- Gives every route of one app in the plan its settings.
local function settle_route(route, settings_for)
  local room = route.room
  local own = options.merge(room.options, route.options or {})
  route.origins, route.settled = own.origins, own
  if not route.handler then
    route.core = make_core_route(route, settings_for(own), room.app.scope)
    guests.expect(room.app.scope, route.core)
  end
end

--- Lays out the app, and the apps mounted in it, and finds what is wrong.
---@param self table the app
---@return table plan
function app.lay_out(self)
  local laid = plan.make(self, serve.command.set)
  self.settled = laid.rooms[1].options
  return laid
end

-- Freezes the app: every route gets its settings and its chain.
local function compile(self)
  mount.refuse_alone(self)
  provide.check(self.scope.provides)
  local laid, settings_for = app.lay_out(self), settings_maker()
  order.check(laid)
  for _, route in ipairs(laid.routes) do settle_route(route, settings_for) end
  for _, room in ipairs(laid.rooms) do
    room.app.scope.cancel_timeout = room.options["timeouts.cancel"]
    room.app.is_frozen = true
  end
  local set = serve.command.set or {}
  admission.clamp(self.settled,
    set["limits.connections"] or self.options["limits.connections"])
  admission.share(self.settled)
  self.settings = settings_for(self.settled)
  self.make_handler = pipeline.compile(self, laid, core)
end

--- Compiles an app for a listener that is not one of its own.
---@param self table the app
---@return userdata settings
---@return function on_request
---@return table doors
function app.prepare(self)
  if not self.make_handler then compile(self) end
  return self.settings, self.make_handler(nil)
end

--- Starts to accept on `url`, once the services are started; waits for that.
---@param url string http://127.0.0.1:8080, https://…, unix:/run/x.sock or fd:3; port 0 picks one
---@param given table|nil of https: {cert, key, passphrase, client_ca}, or {certs = {{cert, key,
--- passphrase, name}, …}} to choose among by the name that is asked for
---@return userdata|nil listener
---@return string|nil message
---@return string|nil code
function methods:listen(url, given)
  site.expect(url, "string", "the URL")
  site.expect(given, "table or nil", "app:listen's options")
  if not self.make_handler then compile(self) end
  return serve.listen(self, url, given)
end

--- Loads the certificates of the app's listeners again; open connections keep
--- theirs. What cannot be loaded is logged, and the one before stays.
---@return boolean|nil ok
---@return string|nil message
---@return string|nil code
function methods:reload()
  return tls.reload(self)
end

local RUN_OPTIONS = {
  listen = "string or table or nil", drain = "number or nil", admin = "string or nil",
  cert = "string or nil", key = "string or nil", passphrase = "string or nil",
  client_ca = "string or nil", certs = "table or nil", workers = "number or string or nil",
}

--- Listens, serves until a signal or app:drain ends it, and prints the receipt.
---@param how table|nil {listen = url or list of urls, drain = seconds}, and what app:listen takes
---@return integer status what the process should exit with
function methods:run(how)
  site.options(how or {}, RUN_OPTIONS, "app:run")
  if serve.command.inspect then return (serve.inspect(self, how or {})) end
  if not self.make_handler then compile(self) end
  return (serve.run(self, how or {}))
end

local DRAIN_OPTIONS = { deadline = "number or nil" }

--- Stops in order: no new connection, 1001 to all, the rest dropped at the deadline.
---@param how table|nil {deadline = seconds}, `timeouts.drain` by default
---@return boolean
function methods:drain(how)
  if not self.settled then app.lay_out(self) end
  site.options(how or {}, DRAIN_OPTIONS, "app:drain")
  wait.check_limit(how and how.deadline, "app:drain's deadline")
  return drain.start(self, how and how.deadline or self.settled["timeouts.drain"])
end

--- Stops at once: every connection is dropped.
---@return boolean
function methods:stop()
  return drain.start(self, 0)
end

return app
