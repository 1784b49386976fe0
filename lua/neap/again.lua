--- What memory ran out for is taken up again.
--
-- An error may end a step of what must not stop there, and nobody is told but a
-- log. So whoever has begun such a thing calls core.look_soon, which takes no
-- memory: its watcher then looks after it, every 100 ms, until all is well.

local core = require "neap.core"

local again = {}

local watchers = {}

--- Has `fn` called at each look: it returns whether to look once more.
---@param fn fun(): boolean
function again.watch(fn)
  watchers[#watchers + 1] = fn
end

core.hook("look", function()
  local more = false
  for i = 1, #watchers do more = watchers[i]() or more end
  return more
end)

return again
