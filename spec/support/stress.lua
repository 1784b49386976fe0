-- A collector that stops the world: a full collection every so many
-- instructions, in every coroutine of neap's. What is held by luck alone is
-- found soon.
--
--   NEAP_STRESS=100 busted --helper=spec/support/stress.lua spec/lifetime

local core = require "neap.core"

local every = tonumber(os.getenv "NEAP_STRESS") or 100

local function start()
  debug.sethook(function() collectgarbage() end, "", every)
end

-- A hook belongs to one coroutine: each gets it with the first function that
-- runs there.
local function stressed(fn)
  return fn and function(...)
    start()
    return fn(...)
  end
end

local task, route, listen = core.task, core.route, core.listen

function core.task(owner, fn, ...)
  return task(owner, stressed(fn), ...)
end

function core.route(given)
  for _, name in ipairs { "task", "open", "message", "writable", "close", "error" } do
    given[name] = stressed(given[name])
  end
  return route(given)
end

function core.listen(given)
  given.on_request = stressed(given.on_request)
  return listen(given)
end

start()
