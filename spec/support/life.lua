-- For specs of lifetimes: a server and its clients in this very process, and
-- a census that must be back at zero when they are gone.
--
--   life.run(function(world)
--     world:ws("/", {message = …})          routes, before the first connect
--     local conn = world:connect "/"
--   end)                                    raises unless every class is at 0

local neap = require "neap"
local core = require "neap.core"
local log = require "neap.log"
local http = require "spec.support.http"

local life = {}

local world_methods = {}
local world_mt = { __index = world_methods }

function world_methods:ws(path, ...)
  self.app:ws(path, ...)
end

-- The listener opens when it is first needed: routes come before it.
function world_methods:port()
  if not self.listener then
    self.listener = assert(self.app:listen "http://127.0.0.1:0")
  end
  local _, port = self.listener:address()
  return port
end

function world_methods:connect(path, options)
  return assert(neap.connect(("ws://127.0.0.1:%d%s"):format(self:port(), path), options))
end

--- Sends a request, which asks for the end of its connection, and waits for that:
--- the status, and all that came behind the head.
function world_methods:ask(path, fields, body)
  local peer <close> = http.connect(self:port(), 0)
  peer:send(("%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n%s"):format(
    body and "POST" or "GET", path, fields or "", body or ""))
  local text = ""
  life.wait_until(function()
    local part, err, rest = peer.tcp:receive "*a"
    text = text .. (part or rest or "")
    return err ~= "timeout"
  end, "an answer to " .. path)
  return math.tointeger(text:match "^HTTP/1.1 (%d+)"), text:match "\r\n\r\n(.*)$"
end

function world_methods:close()
  if self.listener then self.listener:close() end
  for conn in core.conns() do conn:terminate() end
  self.app.scope:close()
end

--- Turns the loop until `done()` is true, or raises after a while.
function life.wait_until(done, what)
  for _ = 1, 1000 do
    if done() then return end
    neap.sleep(0.01)
  end
  error("waited in vain for " .. (what or "a condition"), 2)
end

--- Two full collections: the second frees what the first finalised.
function life.collect()
  collectgarbage()
  collectgarbage()
end

local function find_live()
  for class, tally in pairs(core.counts()) do
    assert(tally.opened == tally.closed + tally.live, class .. " is not balanced")
    local is_mine = class == "task" or class == "scope"
    if tally.live > (is_mine and 1 or 0) or class == "frame_buffer" and tally.bytes > 0 then
      return class, tally.live
    end
  end
end

-- What the kernel, libuv and the allocator have, whatever the census says.
local function check_audit()
  local found = neap.audit()
  if not found.ok then error(tostring(found), 0) end
end

--- Raises unless every class of the census is at zero, in a while, and rightly so.
function life.check_census()
  neap.run(function()
    local class, live
    for look = 1, 1000 do
      if look % 20 == 1 then life.collect() end -- the heap of many specs is large
      class, live = find_live()
      if not class then return check_audit() end
      neap.sleep(0.01)
    end
    error(("%d of class %s are alive"):format(live, class), 0)
  end)
end

--- Runs fn(world) as a task, then demands the census back at zero.
function life.run(fn, options)
  local failed, trace
  neap.run(function()
    local world = setmetatable({ app = neap.app(options) }, world_mt)
    local ok, err = xpcall(fn, debug.traceback, world)
    if not ok then failed, trace = true, err end
    world:close()
  end)
  if failed then error(trace, 0) end
  life.check_census()
end

--- Calls fn while the log's lines are kept from stderr; returns them.
function life.quietly(fn)
  local lines = {}
  log.configure { write = function(line) lines[#lines + 1] = line end }
  local ok, err = pcall(fn)
  log.configure { write = function(line) io.stderr:write(line) end }
  if not ok then error(err, 0) end
  return table.concat(lines)
end

--- Calls fn in a frame of its own, so that no register keeps what it made.
function life.forget(fn, ...)
  local call = fn
  call(...)
end

--- Runs a script in a state of its own that ends with things alive; returns
--- its exit status and output. `preload` is a library to load first, `env` what
--- its environment has besides.
function life.die(script, preload, env)
  local build = os.getenv "NEAP_BUILD" or "build"
  preload = preload or os.getenv "NEAP_PRELOAD" or ""
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(script)
  file:flush()
  local pipe = assert(io.popen(("exec setpriv --pdeathsig KILL -- env %s LD_PRELOAD='%s' "
    .. "LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' LUA_CPATH='%s/?.so;;' lua5.4 %s 2>&1")
    :format(env or "", preload, build, name)))
  local output = pipe:read "a"
  local _, how, number = pipe:close()
  os.remove(name)
  return how == "signal" and 128 + number or number, output
end

return life
