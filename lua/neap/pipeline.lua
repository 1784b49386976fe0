--- The pipeline: from a request's head to the one answer it gets.
--
-- Chains are compiled once, when the app starts. A WebSocket is let in only by
-- an answer that came back through every middleware: forgetting to return is
-- a refusal.

local door = require "neap.door"
local log = require "neap.log"
local origin = require "neap.origin"
local request = require "neap.request"
local response = require "neap.response"
local router = require "neap.router"
local tag = require "neap.tag"

local pipeline = {}

local function fail_internally()
  return response.refuse(500)
end

local function report_nothing(what, value)
  local got = value == nil and "nothing" or "a " .. type(value)
  log.error(("%s returned %s; return an answer such as req:text(…) or next(req)"):format(what, got))
end

-- What the client has done wrong with its body, and the handler gave up for.
local function refuse_body(fault)
  return response.refuse(fault.status, fault.message)
end

-- Turns what `what` returned into an answer, or into a 500 that names it in the log.
local function checked(what, req, value)
  local answer = response.from(value)
  if answer then return answer end
  local stream = value == nil and req._stream
  if stream and stream.is_begun then return stream end
  if value == nil and req._fault then return refuse_body(req._fault) end
  report_nothing(what, value)
  return fail_internally()
end

local function traceback(err)
  return { message = tostring(err), trace = debug.traceback(nil, 2) }
end

-- An answer that has begun can only be cut off.
local function break_stream(req)
  local stream = req._stream
  if not (stream and stream.is_begun) then return nil end
  stream.is_broken = true
  return stream
end

local function report_error(what, where, req, failure)
  local known = type(failure) == "table" and failure or { message = tostring(failure) }
  local fault = req._fault
  local is_known = fault and known.message:sub(-#fault.message) == fault.message
  if is_known then return refuse_body(fault) end
  log.error(("error in %s: %s"):format(what, known.message),
    { at = where, remote = req.remote, trace = known.trace })
  return break_stream(req) or fail_internally()
end

-- Runs one step. Its error ends here, in the log, and the middleware above it
-- gets a 500, as it would get any other answer.
local function guarded(what, where, run)
  return function(req, inner)
    local ok, value = xpcall(run, traceback, req, inner)
    if not ok then return report_error(what, where, req, value) end
    return checked(what, req, value)
  end
end

local function link(middleware, inner)
  local run = guarded(middleware.label, middleware.where, middleware.run)
  return function(req) return run(req, inner) end
end

-- Wraps `last` into the first `count` middleware; `last` itself when there is none.
local function chain(middleware, count, last)
  for i = count, 1, -1 do last = link(middleware[i], last) end
  return last
end

local function http_end(route)
  return guarded("handler " .. route.label, route.where, route.handler)
end

-- The first of the server's protocols that the client offers (RFC 6455 4.2.2).
local function choose_protocol(protocols, offered)
  local asked = {}
  for token in (offered or ""):gmatch("[^,%s]+") do asked[token] = true end
  for _, protocol in ipairs(protocols) do
    if asked[protocol] then return protocol end
  end
end

-- Asks `accept`: true and the data, or false and the answer that refuses.
local function ask(route, req)
  if not route.accept then return true, nil end
  local verdict = route.accept(req)
  if verdict == true then return true, nil end
  if response.is_answer(verdict) then return false, verdict end
  if verdict then return true, verdict end
  log.error(("accept of %s returned %s: refused with 403"):format(route.label, tostring(verdict)))
  return false, response.refuse(403)
end

local function is_ending(app, route)
  return app.draining or app.scope.state ~= "open" or route.room.app.scope.state ~= "open"
end

local function refuse_upgrade(app, route, req)
  if is_ending(app, route) then
    return response.refuse(503, "the server is stopping", { ["Retry-After"] = "5" })
  end
  if not origin.is_allowed(route.origins, req:header "origin", req:header "host") then
    return response.refuse(403, "pages of this origin may not connect")
  end
  local ok, message, status = req:check_upgrade()
  if ok then return nil end
  local headers = status == 426 and { ["Sec-WebSocket-Version"] = "13" }
    or status == 405 and { Allow = "GET" } or nil
  return response.refuse(status, message, headers)
end

local function ws_end(app, route)
  local protocols = route.protocols
  return guarded("accept of " .. route.label, route.where, function(req)
    local refused = refuse_upgrade(app, route, req)
    if refused then return refused end
    local is_in, result = ask(route, req)
    if not is_in then return result end
    local protocol = protocols and choose_protocol(protocols, req:header "sec-websocket-protocol")
    return response.upgrade(result, protocol)
  end)
end

local function refusal(status, message, headers)
  return function() return response.refuse(status, message, headers) end
end

local function not_upgraded(route)
  local headers = { Upgrade = "websocket", ["Sec-WebSocket-Version"] = "13" }
  return chain(route.room.chain, route.depth,
    refusal(426, "this path speaks WebSocket", headers))
end

-- Behind what answers all of its paths nothing else runs, also not for a 405.
local function chain_of_405(leaf)
  local deepest, depth
  for _, entry in pairs(leaf.entries) do
    local route = entry.route
    if route.terminal then return route.room, route.depth end
    if not deepest or route.depth > depth then deepest, depth = route.room, route.depth end
  end
  return deepest, #deepest.chain
end

-- Gives each entry of a leaf its chain, and the leaf the answers for other methods.
local function compile_leaf(app, leaf, env_mts)
  for method, entry in pairs(leaf.entries) do
    local route = entry.route
    local last = method == "WS" and ws_end(app, route) or http_end(route)
    entry.run = chain(route.room.chain, route.depth, last)
    if method == "WS" and #entry.names == 0 then
      door.prepare(entry, leaf.pattern, env_mts[route.room])
    end
  end
  local ws = leaf.entries.WS
  leaf.not_upgraded = ws and not_upgraded(ws.route)
  local room, depth = chain_of_405(leaf)
  leaf.not_allowed = chain(room.chain, depth, refusal(405, nil, { Allow = router.allow(leaf) }))
end

-- Picks the chain for a request that asks for no upgrade, and its entry.
local function choose_http(leaf, method)
  local entries = leaf.entries
  local entry = entries[method] or (method == "HEAD" and entries.GET) or entries["*"]
  if entry then return entry.run, entry end
  if leaf.not_upgraded and (method == "GET" or method == "HEAD") then return leaf.not_upgraded end
  return leaf.not_allowed
end

-- Sends what the chain answered; a wrong header shows only here.
local function conclude(app, core, req, answer, entry, way)
  local stream, lines = req._stream, req._lines
  if stream and stream.is_begun and stream ~= answer then
    error("the stream had begun: return that, or nothing", 0)
  end
  if answer.status ~= 101 then return response.send(req, answer, lines) end
  local route = entry.route
  if is_ending(app, route) then return response.send(req, refuse_upgrade(app, route, req)) end
  local headers = response.block(rawget(answer, "headers"), lines)
  local conn = req:upgrade(route.core, answer.data, answer.protocol, headers)
  if not conn then return end
  tag.pass(req, conn)
  if route.draining then core.life(conn, true).on_draining = route.draining end
  if entry.door_path then door.open(way.doors, entry, req, way.is_strict) end
end

local function finish(app, core, req, run, entry, way)
  local answer = run(req)
  local ok, err = xpcall(conclude, traceback, app, core, req, answer, entry, way)
  if ok then return end
  local label = entry and entry.route.label or "middleware"
  log.error(("wrong answer from %s: %s"):format(label, err.message),
    { at = entry and entry.route.where, remote = req.remote, trace = err.trace })
  response.send(req, fail_internally(), req._lines)
end

-- What answers paths without a route: each set of middleware is chained once.
local function make_finder_of_404(laid)
  local made, not_found = {}, refusal(404)
  return function(path)
    local steps, key = laid:chain_for(path)
    made[key] = made[key] or chain(steps, #steps, not_found)
    return made[key]
  end
end

local function choose(leaf, req)
  local ws = leaf.entries.WS
  if ws and req:is_upgrade() then return ws.run, ws end
  return choose_http(leaf, req.method)
end

-- The scopes of requests stand below the app that their route belongs to.
local function make_env_mts(laid)
  local of_room = {}
  for _, room in ipairs(laid.rooms) do of_room[room] = request.make_env_mt(room.app.scope) end
  return of_room
end

--- Compiles the app's routes and returns what makes a listener's handler.
---@param app table
---@param laid table from plan.make
---@param core table neap.core
---@return function make make(hosts) returns on_request for a listener that answers `hosts`, and
---  its doors
function pipeline.compile(app, laid, core)
  local routes, env_of, env_mts = laid.router, core.env, make_env_mts(laid)
  local root_mt, find_404 = env_mts[laid.rooms[1]], make_finder_of_404(laid)
  for _, leaf in ipairs(routes.leaves) do compile_leaf(app, leaf, env_mts) end
  local root, root_options = laid.rooms[1].chain, laid.rooms[1].options
  local bad_path = chain(root, #root, refusal(400, "the path is badly encoded"))

  local function dispatch(req, way)
    local path = request.split_target(req.target)
    local leaf, values = routes:find(path)
    local run, entry
    if values == "bad" then
      run = bad_path
    elseif leaf then
      run, entry = choose(leaf, req)
    else
      run = find_404(path)
    end
    local route = entry and entry.route
    local env <close> = request.prepare(env_of(req), req,
      route and env_mts[route.room] or root_mt, route and route.settled or root_options)
    if values and entry then env.params = router.params(entry, values) end
    finish(app, core, req, run, entry, way)
  end

  local unknown_host = refusal(421, "this server does not answer that host name")

  return function(hosts)
    local way = { doors = {}, is_strict = hosts ~= nil }
    table.insert(app.doors, way.doors)
    if not hosts then return function(req) return dispatch(req, way) end, way.doors end
    local known -- the last name that was answered: most often the next one too
    return function(req)
      local host = req:header "host"
      if host ~= known or not host then
        if not origin.answers(hosts, host) then return response.send(req, unknown_host()) end
        known = host
      end
      return dispatch(req, way)
    end, way.doors
  end
end

return pipeline
