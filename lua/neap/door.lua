--- Doors: the short way in, which the core takes by itself.
--
-- A WebSocket that no middleware and no accept has to see is let in by its
-- path, Origin and Host alone. The first goes the long way, and leaves a door
-- open for those that ask the same; guests.lua shuts it.

local request = require "neap.request"

local door = {}

--- Says whether what a route looks at is no more than that.
---@param route table
---@return boolean
function door.suits(route)
  return route.depth == 0 and not (route.accept or route.protocols or route.draining)
end

--- Prepares the entry of a path without parameters.
---@param entry table of the router
---@param path string
---@param env_mt table
function door.prepare(entry, path, env_mt)
  if not door.suits(entry.route) then return end
  entry.door_path = path
  function entry.make_env(req)
    local env = request.prepare({}, req, env_mt, entry.route.settled)
    request.finish(env)
    return env
  end
end

--- Leaves a door open behind a request that has been let in.
---@param doors table<string, table> those of a listener, as the core reads them
---@param entry table
---@param req userdata
---@param is_strict boolean whether the listener answers some hosts alone
function door.open(doors, entry, req, is_strict)
  local route, path = entry.route, request.split_target(req.target)
  if path ~= entry.door_path then return end
  local from, host = req:header "origin" or false, req:header "host"
  if not (is_strict or from and route.origins == "same") then host = false end
  doors[path] = { route.core, host, from, entry.make_env }
end

return door
