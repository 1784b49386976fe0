-- Many clients in a process of their own: spec/support/crowd.c.
--
--   local crowd <close> = clients.start(port, 2000, "/feed")
--   crowd.open  crowd.pid   how many got their answer
--   crowd:say "reset"       or "close"
--   crowd:dead()            how many the server has ended

local server = require "spec.support.server"

local crowd_methods = {}
local crowd_mt = { __index = crowd_methods }
local crowd = {}

--- Compiles one of the C files beside this one; returns its path, to remove.
function crowd.compile(name, options)
  local path = server.temporary(".bin")
  assert(os.execute(("env -u LD_PRELOAD cc -O1 -Wall %s -o %s spec/support/%s.c"):format(
    options or "", path, name)))
  return path
end

function crowd.start(program, port, count, path)
  local self = setmetatable({ fifo = server.temporary ".fifo" }, crowd_mt)
  assert(os.execute("mkfifo " .. self.fifo))
  self.out = assert(io.popen(("echo $$; exec setpriv --pdeathsig KILL -- %s %d %d %s <%s"):format(
    program, port, count, path or "", self.fifo)))
  self.orders = assert(io.open(self.fifo, "w"))
  self.pid = math.tointeger(tonumber(self.out:read "l"))
  self.open = math.tointeger(tonumber(self.out:read("l"):match "^open (%d+)$"))
  return self
end

function crowd_methods:say(word)
  self.orders:write(word, "\n")
  self.orders:flush()
end

function crowd_methods:dead()
  self:say "dead"
  return math.tointeger(tonumber(self.out:read("l"):match "^dead (%d+)$"))
end

crowd_mt.__close = function(self)
  self.orders:close()
  self.out:close()
  os.remove(self.fifo)
end

return crowd
