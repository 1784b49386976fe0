-- Lines that script/test shows of a run that passes, too: what was tried, how
-- often, and what it cost.

local busted = require "busted"

local tell = {}
local name

busted.subscribe({ "test", "start" }, function(element)
  name = element.name
  return nil, true
end)

--- Writes a line of a table.
function tell.line(format, ...)
  io.write("\n| ", format:format(...), "\n")
end

--- The same about the `it` that runs.
function tell.result(format, ...)
  tell.line("%s: %s", name, format:format(...))
end

return tell
