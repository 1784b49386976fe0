-- A server under attack, and what the attack costs it and those beside it.
--
--   local victim <close> = victims.start(script)          which has a route /honest
--   local cost = victim:measure(function() … end)
--   cost.cpu      seconds of the server's processor time, for one attack
--   cost.memory   bytes, at the peak, over what it had before
--   cost.p95      milliseconds of an honest client's echo meanwhile, less what other
--                 programs on this machine kept the two waiting
--   victim:census().stream.live

local dkjson = require "dkjson"
local process = require "spec.support.process"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local methods = {}
local mt = { __name = "spec.victim", __index = methods }
local victims = {}

local HONEST = "/usr/bin/python3 spec/support/honest.py %d %d %d"

function victims.start(script, ...)
  local running = server.start(script, { "--admin", "http://127.0.0.1:0", ... })
  local admin = math.tointeger(running.pipe:read("l"):match ":(%d+)$")
  return setmetatable({ server = running, port = running.port, admin = admin }, mt)
end

function methods:census()
  local answer = ws.ask(self.admin,
    "GET /census HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
  return dkjson.decode(answer.body).classes
end

-- Waits until no connection is left but what asks for the census.
function methods:wait_until_alone(seconds)
  local till = socket.gettime() + seconds
  repeat
    local live = self:census().stream.live
    if live <= 1 then return true end
    socket.sleep(0.05)
  until socket.gettime() > till
  return false, "there are streams left"
end

local function read_file(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function cpu_of(pid)
  local fields = {}
  local stat = read_file(("/proc/%d/stat"):format(pid)):match "%) (.*)"
  for field in stat:gmatch "%S+" do fields[#fields + 1] = field end
  return (tonumber(fields[12]) + tonumber(fields[13])) / 100
end

local function memory_of(pid, name)
  return tonumber(read_file(("/proc/%d/status"):format(pid)):match(name .. ":%s+(%d+)")) * 1024
end

-- Lets the kernel count the peak anew.
local function forget_peak(pid)
  local file <close> = assert(io.open(("/proc/%d/clear_refs"):format(pid), "w"))
  file:write "5"
end

--- Runs the attack, again and again for about a second, while an honest client
--- counts its round trips.
function methods:measure(attack)
  local pid = self.server.pid
  local honest <close> = process.start(HONEST:format(self.port, 300, pid), false)
  socket.sleep(0.1)
  local before = memory_of(pid, "VmRSS")
  forget_peak(pid)
  local cpu, began, runs = cpu_of(pid), socket.gettime(), 0
  repeat
    attack()
    runs = runs + 1
  until socket.gettime() > began + 0.8
  local cost = {
    cpu = (cpu_of(pid) - cpu) / runs, runs = runs,
    memory = memory_of(pid, "VmHWM") - before,
  }
  cost.p95 = tonumber(honest:read())
  return cost
end

mt.__close = function(self)
  self.server:stop "KILL"
end

return victims
