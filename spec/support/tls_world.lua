-- life.run over TLS: the same world, whose listener has a certificate of its own.
--
--   tls_world.run(function(world)
--     world:ws("/", {message = …})
--     local conn = world:connect "/"          wss://localhost, verified
--   end)

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local tls_world = {}

local cert, key = core.self_signed("localhost", "DNS:localhost", 1)

--- PEM text: the certificate is its own authority.
tls_world.cert, tls_world.key = cert, key

--- Opens the listener; routes come before it.
function tls_world.listen(world)
  world.listener = assert(world.app:listen("https://127.0.0.1:0", { cert = cert, key = key }))
  return select(2, world.listener:address())
end

local function connect(world, path, options)
  local port = world.listener and world:port() or tls_world.listen(world)
  local given = { ca = cert }
  for name, value in pairs(options or {}) do given[name] = value end
  return neap.connect(("wss://localhost:%d%s"):format(port, path), given)
end

function tls_world.run(fn, options)
  life.run(function(world)
    world.try = connect
    world.connect = function(...) return assert(connect(...)) end
    fn(world)
  end, options)
end

return tls_world
