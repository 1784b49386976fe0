--- Workers: the threads of one process, each with a loop, a Lua state, and the
--- script. They tell one another lines of text: a name and its words.
--
-- Worker 1 is the process's own thread: it starts the others, has the signals,
-- and hears their last word.

local core = require "neap.core"
local site = require "neap.site"
local wait = require "neap.wait"

local worker = {}

local MOST = 256

-- What each line of another worker does, by its name.
local on = {}

--- Receipts of the others' drains, in worker 1.
worker.receipts = {}

--- Says whether this is another worker than the first.
---@return boolean
function worker.is_other()
  return (core.worker()) > 1
end

--- Reads how many workers are wanted.
---@param value any a number, its text, or "auto"
---@return integer|nil count
---@return string|nil message
function worker.read_count(value)
  if value == "auto" then return math.min(core.parallelism(), MOST) end
  local count = math.tointeger(tonumber(value))
  if count and count >= 1 and count <= MOST then return count end
  return nil, ("workers are a number from 1 to %d, or auto, not %s"):format(MOST, tostring(value))
end

-- ---- telling

--- Calls what `on(name, …)` has set in that worker, with the rest as a text.
---@param index integer
---@param name string
---@param ... any joined by spaces
---@return true|nil told, or nil, message, code
function worker.tell(index, name, ...)
  local words = { name, ... }
  for i = 1, #words do words[i] = tostring(words[i]) end
  local told, message, code = core.tell(index, table.concat(words, " "))
  return told, message, code
end

--- The same for all but this one.
---@param name string
---@param ... any
function worker.tell_others(name, ...)
  local index, count = core.worker()
  for other = 1, count do
    if other ~= index then worker.tell(other, name, ...) end
  end
end

--- Sets what a line of that name does: fn(worker, the rest of it).
---@param name string
---@param fn function
function worker.on(name, fn)
  on[name] = fn
end

core.hook("mail", function(from, line)
  local name, rest = line:match "^(%S+) ?(.*)$"
  if on[name] then on[name](from, rest) end
end)

-- ---- what acts on the whole process

local function ask_for_exit(code)
  local status = code == nil and 0 or code == true and 0 or code == false and 1 or code
  worker.tell(1, "exit", math.tointeger(status) or 1)
  if wait.is_possible() then core.park() end
end

local function refuse_locale(real)
  return function(locale, category)
    if locale == nil then return real(nil, category) end
    site.fail("os.setlocale acts on all workers at once: set LC_ALL before neap starts")
  end
end

local function guard_locale()
  rawset(os, "setlocale", refuse_locale(os.setlocale))
end

local function guard_exit()
  rawset(os, "exit", ask_for_exit)
end

-- ---- worker 1

--- Makes this state worker 1 of `count`; the others start later.
---@param count integer
function worker.make(count)
  if count == 1 or core.worker() ~= 1 or select(2, core.worker()) > 1 then return end
  assert(core.workers(count))
  guard_locale()
end

local is_inherited = setmetatable({}, { __mode = "k" })

--- Notes how a listener was opened: one that was handed over can't be opened again.
---@param listener userdata
---@param parsed table what core.listen took
function worker.note(listener, parsed)
  is_inherited[listener] = parsed.fd ~= nil
end

-- How another worker gets the same socket: its address, or a descriptor.
local function socket_for(listener)
  local host, port = listener:address()
  if port and not is_inherited[listener] then return ("tcp %s %d"):format(host, port) end
  return ("fd %d"):format(assert(listener:dup()))
end

local function sockets_for(listeners)
  local lines = {}
  for i, listener in ipairs(listeners) do lines[i] = socket_for(listener) end
  return table.concat(lines, "\n")
end

local CHUNK = [[
local path, cpath = ...
package.path, package.cpath = path, cpath
require("neap.worker").begin(select(3, ...))
]]

-- The words that make another worker do what this one did to get here.
local function words_of(argv)
  if argv then return "command", table.unpack(argv) end
  local given = rawget(_G, "arg")
  local script = given and given[0]
  local file = script and io.open(script)
  if not file then
    return nil, "several workers load the script anew: run it as neap SCRIPT, or lua5.4 SCRIPT"
  end
  file:close()
  return "script", script, table.unpack(given)
end

local threads = { running = 0, ready = 0, changed = wait.place() }

local function start_threads(listeners, argv, count)
  local words = table.pack(words_of(argv))
  if not words[1] then return nil, words[2] end
  for index = 2, count do
    local ok, message = core.start_worker(index, CHUNK, package.path, package.cpath,
      sockets_for(listeners), table.unpack(words))
    if not ok then return nil, ("worker %d: %s"):format(index, message) end
    threads.running = threads.running + 1
  end
  return true
end

on.ready = function()
  threads.ready = threads.ready + 1
  threads.changed:wake_all(true)
end

on.failed = function(from, message)
  threads.fault = threads.fault or ("worker %d: %s"):format(from, message)
  threads.changed:wake_all(true)
end

on.gone = function(from)
  threads.running = threads.running - 1
  threads.changed:wake_all(true)
  local is_lost = threads.is_up and not threads.is_over and not worker.receipts[from]
  if is_lost and worker.on_lost then worker.on_lost(from, threads.fault) end
end

on.receipt = function(from, line)
  local closed, forced, cancelled, leaked = line:match "^(%d+) (%d+) (%d+) (%d+)$"
  worker.receipts[from] = {
    closed = tonumber(closed), forced = tonumber(forced),
    cancelled = tonumber(cancelled), leaked = tonumber(leaked),
  }
end

--- Waits, in worker 1, until the other workers have ended.
---@param seconds number at most
---@return integer left how many have not
function worker.wait_for_others(seconds)
  local deadline = core.now() + seconds
  while threads.running > 0 and core.now() < deadline do
    threads.changed:wait(deadline - core.now())
  end
  return threads.running
end

--- Starts all other workers, and waits until they accept.
---@param listeners userdata[] of worker 1
---@param argv string[]|nil the command's words; nil: it is a script of stock Lua
---@return true|nil started
---@return string|nil message
---@return string|nil code "draining" when that came first
function worker.start(listeners, argv)
  local _, count = core.worker()
  if count == 1 then return true end
  local ok, message = start_threads(listeners, argv, count)
  if not ok then return nil, message, "io" end
  while threads.ready < count - 1 and not threads.fault and not threads.is_over do
    threads.changed:wait()
  end
  if threads.fault then return nil, threads.fault, "io" end
  if threads.is_over then return nil, "the process is asked to stop", "draining" end
  threads.is_up = true
  guard_exit()
  return true
end

--- Tells the others to drain; those that still start do it then.
---@param seconds number
function worker.drain_others(seconds)
  core.end_workers()
  threads.is_over = true
  threads.changed:wake_all(true)
  worker.tell_others("drain", seconds)
end

--- Ends those that were started although another one could not be.
function worker.give_up()
  if select(2, core.worker()) == 1 then return end
  worker.drain_others(0)
  if worker.wait_for_others(5) == 0 then core.join_workers() end
end

--- Adds up what all have told of their end.
---@param receipt table that of worker 1
function worker.add_receipts(receipt)
  for _, other in pairs(worker.receipts) do
    for name, count in pairs(other) do receipt[name] = receipt[name] + count end
  end
end

--- How the socket of the i-th address is made: nil, as for itself.
---@param i integer
---@return table|nil socket
function worker.socket(i)
  if worker.sockets then return worker.sockets[i] or { missing = true } end
  return worker.count > 1 and { sharing = "first" } or nil
end

--- Lets the address of a listener be that socket.
---@param socket table|nil
---@param parsed table what core.listen takes
function worker.use(socket, parsed)
  if not socket then return end
  if socket.missing then
    site.fail("app:run: the script listens on more addresses here than in worker 1")
  end
  if socket.fd then parsed.path = nil end
  for name, value in pairs(socket) do parsed[name] = value end
end

-- ---- the others

local function read_sockets(text)
  local sockets = {}
  for line in text:gmatch "[^\n]+" do
    local host, port = line:match "^tcp (%S+) (%d+)$"
    local fd = line:match "^fd (%d+)$"
    sockets[#sockets + 1] = { host = host, port = tonumber(port), fd = tonumber(fd),
      sharing = host and "other" or nil }
  end
  return sockets
end

local function run_script(script, ...)
  local chunk, syntax = loadfile(script)
  if not chunk then error(syntax, 0) end
  rawset(_G, "arg", { [0] = script, ... })
  site.script = script
  chunk(...)
end

--- What the thread of another worker does.
---@param sockets string
---@param mode "command"|"script"
---@param ... string
function worker.begin(sockets, mode, ...)
  worker.sockets = read_sockets(sockets)
  guard_locale()
  guard_exit()
  if mode == "command" then
    local cli = require "neap.cli"
    cli.say = core.worker_failed
    cli.main { ... }
  else
    run_script(...)
  end
  if not worker.has_served then core.worker_failed "the script does not run its app here" end
end

--- Tells worker 1 how this one's drain went.
---@param receipt table
function worker.report(receipt)
  worker.tell(1, "receipt", receipt.closed, receipt.forced, receipt.cancelled, receipt.leaked)
end

return setmetatable(worker, {
  __index = function(_, name)
    local index, count = core.worker()
    return name == "index" and index or name == "count" and count or nil
  end,
})
