--- The census: what was opened and closed, by class, since the start.

local core = require "neap.core"

--- Returns {class = {opened, closed, live, peak}}.
---@param how table|nil {collect = true} runs a full garbage collection first
---@return table<string, table>
local function census(how)
  if how and how.collect then
    collectgarbage()
    collectgarbage()
  end
  return core.counts()
end

return census
