-- What the specs of others' bugs have in common: a route that writes down what it
-- sees, and raw peers in this very process, which must never block.

local core = require "neap.core"
local http = require "spec.support.http"
local life = require "spec.support.life"
local ws = require "spec.support.ws"

local bugs = {}

--- How many of a class the census has.
function bugs.live(class) return core.counts()[class].live end

function bugs.wait_for_none(class)
  life.wait_until(function() return bugs.live(class) == 0 end, "no " .. class)
end

--- A raw peer of the world's server, after its request for an upgrade.
function bugs.dial(world, path, more)
  local peer = http.connect(world:port(), 0)
  peer:send(ws.head(world:port(), path or "/") .. (more or ""))
  return peer
end

--- Serves "/" (an echo, unless the options say else) and writes down each end.
function bugs.serve(world, options)
  local seen = { opened = 0, closed = 0, whys = {} }
  options = options or {}
  local open, message = options.open, options.message
  options.open = function(conn)
    seen.opened, seen.conn = seen.opened + 1, conn
    if open then open(conn) end
  end
  options.message = message or function(_, data) return data end
  options.close = function(_, why)
    seen.closed = seen.closed + 1
    seen.whys[#seen.whys + 1] = why
  end
  world:ws("/", options)
  return seen
end

function bugs.wait_until_open(seen, count)
  life.wait_until(function() return seen.opened == (count or 1) end, "an open connection")
end

return bugs
