-- A collector that stops the world: a full collection every so many
-- instructions, in every coroutine of neap's. What is held by luck alone is
-- found soon.
--
--   NEAP_STRESS=100 busted --helper=spec/support/stress.lua spec/lifetime

local every = tonumber(os.getenv "NEAP_STRESS") or 100

local function start()
  debug.sethook(function() collectgarbage() end, "", every)
end

require "spec.support.everywhere"(require "neap.core", start)
start()
