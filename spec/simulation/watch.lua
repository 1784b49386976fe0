-- What a run has done, line by line, and what did not hold in it.

local core = require "neap.core"
local neap = require "neap"

local random = math.random

local watch = {}

local methods = {}
local watch_mt = { __index = methods }

function watch.new()
  return setmetatable({
    lines = {}, faults = {}, owed = {}, waiting = 0, began = neap.now(), counts = {},
    abandoned = (core.abandoned()),
  }, watch_mt)
end

--- A line of the trace, with the time on the run's clock. What differs between two
--- runs of a seed (an address, a count of the whole process) must not be in it. Now
--- and then the collector runs here, in the midst of whatever is going on.
function methods:note(format, ...)
  if random(60) == 1 then collectgarbage() end
  local ms = math.floor((neap.now() - self.began) * 1000 + 0.5)
  self.lines[#self.lines + 1] = ("%d %s"):format(ms, format:format(...))
end

function methods:fault(format, ...)
  local text = format:format(...)
  self.faults[#self.faults + 1] = text
  self:note("FAULT %s", text)
end

--- How often something was done, for the summary.
function methods:count(what)
  self.counts[what] = (self.counts[what] or 0) + 1
end

--- A function that has to be called once: not twice, and before the end.
function methods:once(what, fn)
  local times = 0
  self.owed[what] = (self.owed[what] or 0) + 1
  return function(...)
    times = times + 1
    if times > 1 then return self:fault("%s happens %d times", what, times) end
    self.owed[what] = self.owed[what] - 1
    self:note("%s", what)
    if fn then return fn(...) end
  end
end

local function left_mt(self)
  return { __close = function() self.waiting = self.waiting - 1 end }
end

--- Waits, and notes the answer: each wait gets one, or its task is closed.
function methods:wait(what, fn, ...)
  self.left = self.left or left_mt(self)
  self.waiting = self.waiting + 1
  local _ <close> = setmetatable({}, self.left)
  local results = table.pack(fn(...))
  local first = results[1]
  local shown = type(first) == "string" and #first .. " bytes" or type(first)
  self:note("%s: %s %s", what, shown, first == nil and results[3] or "")
  self:count "waits"
  return table.unpack(results, 1, results.n)
end

--- What must hold between any two steps.
function methods:check_step()
  for class, tally in pairs(core.counts()) do
    if tally.opened ~= tally.closed + tally.live or tally.live < 0 then
      self:fault("%s is not balanced", class)
    end
  end
end

--- The same, and that the census tells the truth.
function methods:check_audit()
  local result = neap.audit()
  if result and not result.ok then self:fault("the audit says: %s", tostring(result)) end
end

--- What must hold when all is closed.
function methods:check_end()
  for what, count in pairs(self.owed) do
    if count ~= 0 then self:fault("%s: %d never happened", what, count) end
  end
  if self.waiting ~= 0 then self:fault("%d waits have no answer", self.waiting) end
  local abandoned = core.abandoned() - self.abandoned
  if abandoned > 0 then self:fault("%d were left to the collector", abandoned) end
end

function methods:hash()
  local digest = core.codec.sha1(table.concat(self.lines, "\n"))
  return (digest:sub(1, 8):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

return watch
