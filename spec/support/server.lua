-- Starts `neap SCRIPT` as a process of its own and stops it again.
--
--   local s <close> = server.start [[ local neap = require "neap" … return app ]]
--   s.port  s.host  s.pid  s.url          ("ws://127.0.0.1:PORT")
--   local status, out, err = s:stop()      SIGTERM, then what it left behind
--
-- The process gets SIGKILL when the specs' own process dies, so none outlives
-- a run. NEAP_BUILD names another build directory, NEAP_PRELOAD a library that
-- the server needs first (the sanitizer's), NEAP_WRAP a command to run it under,
-- NEAP_END the signal that ends it instead of SIGKILL (coverage_dump.c).

local build = os.getenv "NEAP_BUILD" or "build"
local preload = os.getenv "NEAP_PRELOAD"
local wrap = os.getenv "NEAP_WRAP"
local last_signal = os.getenv "NEAP_END" or "KILL"

local server_methods = {}
local server_mt = { __name = "spec.server", __index = server_methods }
local server = {}

--- The words that run a script with stock Lua, for `command`.
server.stock_lua = ("env LUA_PATH='./lua/?.lua;./lua/?/init.lua;;' "
  .. "LUA_CPATH='./%s/?.so;;' lua5.4"):format(build)

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function write_file(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local function read_file(path)
  local file <close> = io.open(path)
  return file and file:read "a" or ""
end

--- A name for a file that the specs remove again.
function server.temporary(suffix)
  local name = os.tmpname()
  os.remove(name)
  return name .. (suffix or "")
end

local function command_line(self, options)
  local words = { "exec setpriv --pdeathsig KILL -- env -u LD_PRELOAD" }
  if preload then words[#words + 1] = "LD_PRELOAD=" .. quote(preload) end
  words[#words + 1] = wrap
  words[#words + 1] = options.command or (build .. "/bin/neap")
  words[#words + 1] = quote(self.script)
  if options.listen ~= false then
    words[#words + 1] = "-l " .. quote(options.listen or "http://127.0.0.1:0")
  end
  for _, word in ipairs(options) do words[#words + 1] = quote(word) end
  words[#words + 1] = "2>" .. quote(self.stderr)
  return "echo $$; " .. table.concat(words, " ")
end

local function read_greeting(self)
  local line = self.pipe:read "l" or ""
  self.greeting = line
  self.host, self.port = line:match "^neap: listening on https?://(.*):(%d+)$"
  self.port = math.tointeger(self.port)
  self.url = self.port and ("ws://%s:%d"):format(self.host, self.port)
end

--- Runs a script, given as a path ("….lua") or as text. The array part of
--- `options` goes to the command; `listen` is a URL, or false for none, and
--- `command` other words that run the script ("lua5.4"). A server that does
--- not start raises with what it wrote to stderr, unless `options.may_fail`;
--- then `port` is nil.
function server.start(script, options)
  options = options or {}
  local self = setmetatable({ script = script }, server_mt)
  if not script:match "^[^\n]+%.lua$" then
    self.script, self.owns_script = server.temporary ".lua", true
    write_file(self.script, script)
  end
  self.stderr = server.temporary ".err"
  self.pipe = assert(io.popen(command_line(self, options), "r"))
  self.pid = assert(math.tointeger(self.pipe:read "l"))
  read_greeting(self)
  if not self.port and not options.may_fail then
    local _, _, err = self:stop()
    error("the server did not start: " .. self.greeting .. "\n" .. err, 2)
  end
  return self
end

--- Sends a signal by its short name ("TERM").
function server_methods:signal(name)
  return os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- What the server has written to stderr so far.
function server_methods:log()
  return read_file(self.stderr)
end

--- The number of descriptors that the process holds, or nil once it is gone.
function server_methods:descriptors()
  local list <close> = assert(io.popen(
    ("ls /proc/%d/fd 2>/dev/null | wc -l"):format(self.pid)))
  return list:read "n"
end

--- Waits for the process to end by itself, and returns its exit status (128
--- and the signal's number when a signal ended it), stdout after the first
--- line, and stderr; raises what a tool found. Later calls return the same.
function server_methods:wait()
  if self.pipe then
    self.out = self.pipe:read "a"
    local _, how, status = self.pipe:close()
    self.pipe = nil
    self.status = how == "signal" and 128 + status or status
    self.err = self:log()
    os.remove(self.stderr)
    if self.owns_script then os.remove(self.script) end
    for _, mark in ipairs { "Sanitizer", "runtime error:", "^==%d+==", "\n==%d+==" } do
      if self.err:find(mark) then error(self.err, 0) end
    end
  end
  return self.status, self.out, self.err
end

--- Ends the process with a signal ("TERM" by default), then waits as above.
function server_methods:stop(signal)
  if self.pipe then self:signal(signal or "TERM") end
  return self:wait()
end

server_mt.__close = function(self)
  if not self.pipe then return end
  self:signal(last_signal)
  self:stop "CONT" -- it may have been stopped
end

return server
