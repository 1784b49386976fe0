-- Whatever a callback does, from whichever callback: no crash, and nothing left.
-- In memory, on a clock that the spec moves.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

local OPTIONS = { timeouts = { close = 2, cancel = 0.5, drain = 2 } }

-- Each is called with the connection, another one of the same route, and the
-- world; in accept there is no connection yet.
local ACTIONS = {
  ["closes itself"] = function(conn) conn:close(4000) end,
  ["closes itself twice"] = function(conn) conn:close(4000); conn:close(4001) end,
  ["terminates itself"] = function(conn) conn:terminate() end,
  ["closes another"] = function(_, other) other:close(4000) end,
  ["terminates another"] = function(_, other) other:terminate() end,
  ["closes the app's scope"] = function(_, _, world) world.app.scope:close() end,
  ["fails"] = function() error "on purpose" end,
  ["waits"] = function() neap.sleep(0.2) end,
  ["collects garbage"] = function() life.collect() end,
  ["sends 1 MiB"] = function(conn) conn:send(("x"):rep(1000000)) end,
  ["subscribes"] = function(conn) conn:subscribe "all"; conn:subscribe "all" end,
  ["publishes to itself"] = function(conn) conn:subscribe "all"; core.publish("all", "hello") end,
  ["spawns what outlives it"] = function(conn) conn:spawn(function() neap.sleep(100) end) end,
  ["owns and defers"] = function(conn)
    conn:own(setmetatable({}, { __close = function() end }))
    conn:defer(function() conn:close() end)
    conn:after(0, function() conn:terminate() end)
  end,
  ["detaches and drops"] = function(conn) conn:detach() end,
}

-- Each installs `act` in one callback, and makes that callback run.
local CALLBACKS = {
  open = function(route, act) route.open = act end,
  message = function(route, act) route.message = act end,
  ["message after a wait"] = function(route, act)
    route.message = function(conn) neap.sleep(0.05); act(conn) end
  end,
  close = function(route, act) route.close = act end,
  error = function(route, act)
    route.message = function() error "for the error handler" end
    route.error = act
  end,
  writable = function(route, act)
    route.writable = act
    route.message = function(conn) conn:send(("x"):rep(900000), "binary", { compress = false }) end
  end,
  timer = function(route, act)
    route.open = function(conn) conn:after(0.01, function() act(conn) end) end
  end,
  task = function(route, act)
    route.open = function(conn) conn:spawn(function() conn:receive(1); act(conn) end) end
  end,
  ["defer hook"] = function(route, act)
    route.open = function(conn) conn:defer(function() act(conn) end) end
  end,
  ["on_cancel hook"] = function(route, act)
    route.open = function(conn) conn:on_cancel(function() act(conn) end) end
  end,
  draining = function(route, act) route.draining = act end,
  accept = function(route, act)
    route.accept = function(req) act(req); return true end
  end,
}

-- In accept there is a request only: what it can't do is no action there.
local function fits(callback, action)
  if callback ~= "accept" then return true end
  return action == "fails" or action == "waits" or action == "collects garbage"
    or action:find "another" or action:find "scope"
end

local function make_app(install, action, world, ran)
  local app, route = neap.app(OPTIONS), {}
  install(route, function(conn)
    ran.count = ran.count + 1
    action(conn, world.other, world)
  end)
  app:ws("/", route)
  app:ws("/other", { message = function(_, data) return data end,
    open = function(conn) world.other = conn end })
  return app
end

-- Drains the app; what stops the loop at the end is kept from it, since the spec
-- has more to do.
local function drain(app)
  local stop, is_over = core.stop, false
  core.stop = function() is_over = true end
  app:drain { deadline = 2 }
  for _ = 1, 20 do
    if is_over then break end
    test.clock:advance(0.5)
  end
  core.stop = stop
  assert.is_true(is_over, "the drain has no end")
end

local function play(callback, action)
  local ran = { count = 0 }
  neap.run(function()
    local world = {}
    local app = make_app(CALLBACKS[callback], ACTIONS[action], world, ran)
    world.app = app
    local served = test.serve(app)
    served:connect "/other"
    life.wait_until(function() return world.other end)
    local client = served:connect "/"
    if client then client:send "go" end
    if callback == "draining" then drain(app) end
    test.clock:advance(2)
    if client then client:close() end
    test.clock:advance(4)
    served:close()
    test.clock:advance(4)
    world.other = nil
  end)
  assert.is_true(ran.count > 0, "the callback did not run")
  life.check_census()
end

local function sorted(names)
  local list = {}
  for name in pairs(names) do list[#list + 1] = name end
  table.sort(list)
  return list
end

describe("a callback", function()
  for _, callback in ipairs(sorted(CALLBACKS)) do
    for _, action in ipairs(sorted(ACTIONS)) do
      if fits(callback, action) then
        it(("(%s) that %s leaves nothing"):format(callback, action), function()
          play(callback, action)
        end)
      end
    end
  end
end)
