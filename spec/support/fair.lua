-- A clock that stands still while a process waits for a core: what must be quick
-- is measured with it, on a machine that does other things too.

local socket = require "socket"

local fair = {}

-- The kernel counts, in nanoseconds, how long a process was ready and not run.
local function waited(pid)
  local file <close> = io.open(("/proc/%s/schedstat"):format(pid))
  return file and tonumber(file:read "l":match "^%d+ (%d+)") / 1e9 or 0
end

--- Seconds, less those that this process and those of the numbers `...` have
--- waited for a core.
function fair.now(...)
  local now = socket.gettime() - waited "self"
  for _, pid in ipairs { ... } do now = now - waited(pid) end
  return now
end

return fair
