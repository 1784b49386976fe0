--- Guests: the connections of an app. They end before all else that it owns, so
--- that what they have of it is there until their last handler has returned.

local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"

local guests = {}

local LOOK_SECONDS = 0.01

-- Says whether a route's scope is an app's, or that of one mounted in it.
local function is_within(scope, host)
  while scope and scope ~= host do scope = scope.parent end
  return scope == host
end

--- Says that connections of a route come to the app, and to those above it.
---@param scope table the app's
---@param route userdata core.route
function guests.expect(scope, route)
  while scope and scope.provides do
    scope.routes = scope.routes or {}
    table.insert(scope.routes, route)
    scope = scope.parent
  end
end

--- Says whether a connection of the app has not ended wholly: its scope and its
--- close handler too.
---@param host table scope
---@return boolean
function guests.has_any(host)
  if not host.routes then return false end
  for _, route in ipairs(host.routes) do
    if route:conns() > 0 then return true end
  end
  return false
end

--- Says whether there are guests in a scope, or below it.
---@param scope table
---@return boolean
function guests.are_below(scope)
  if guests.has_any(scope) then return true end
  local owned = scope.last
  while owned do
    if owned.kind == "child" and guests.are_below(owned.child) then return true end
    owned = owned.prev
  end
  return false
end

--- Shuts the short ways into an app (door.lua): from here on everyone goes the
--- long one, and is refused there.
---@param host table scope
function guests.shut_doors(host)
  while host and host.provides do
    for _, doors in ipairs(host.doors) do
      for path in pairs(doors) do doors[path] = nil end
    end
    host = host.parent
  end
end

-- No more come, and those that are there are told to go.
local function dismiss(host, cause)
  guests.shut_doors(host)
  for _, listener in ipairs(host.listeners) do listener:close() end
  for conn in core.conns() do
    if is_within(core.route_scope(conn), host) then
      core.close_as(conn, cause, 1001, "the server is stopping")
    end
  end
end

-- A close handler that waits is a task of its app: from here on it has
-- timeouts.cancel.
local function finish_callbacks(host)
  for _, owned in ipairs(entry.list(host)) do
    if owned.is_callback then
      job.finish(owned)
    elseif owned.kind == "child" and owned.child.provides then
      finish_callbacks(owned.child)
    end
  end
end

--- Ends the connections of an app, and waits until the last one has ended.
---@param host table scope
---@param cause "cancelled"|"drain"
function guests.end_all(host, cause)
  dismiss(host, cause)
  while guests.has_any(host) do
    finish_callbacks(host)
    assert(core.sleep(LOOK_SECONDS))
    dismiss(host, cause)
  end
end

return guests
