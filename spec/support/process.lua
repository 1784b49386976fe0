-- Programs that specs talk to. Each says "port N" once it listens, and gets
-- SIGKILL when the specs' own process dies.
--
--   local p <close> = process.start("/usr/bin/python3 spec/support/proxy.py http")
--   p.port  p.pid  p:read()  p:signal "STOP"

local process = {}

local methods = {}
local mt = { __name = "spec.process", __index = methods }

--- Starts a command and waits for its "port N"; false: it says no such thing.
function process.start(command, says_port)
  local line = "echo $$; exec setpriv --pdeathsig KILL -- env -u LD_PRELOAD " .. command
  local self = setmetatable({ pipe = assert(io.popen(line, "r")) }, mt)
  self.pid = assert(math.tointeger(self.pipe:read "l"))
  if says_port == false then return self end
  local said = self.pipe:read "l" or ""
  self.port = math.tointeger(said:match "^port (%d+)$")
  if not self.port then error(("%s said: %s"):format(command, said), 2) end
  return self
end

--- The next line that it writes; blocks.
function methods:read()
  return self.pipe:read "l"
end

--- Sends a signal by its short name.
function methods:signal(name)
  return os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- Ends it, and returns what it wrote to the end.
function methods:stop(signal)
  if not self.pipe then return "" end
  self:signal(signal or "KILL")
  local rest = self.pipe:read "a"
  self.pipe:close()
  self.pipe = nil
  return rest
end

mt.__close = function(self) self:stop() end

return process
