--- Leaks: what the collector had to close, and what outlives the app.

local core = require "neap.core"
local job = require "neap.job"
local log = require "neap.log"
local sites = require "neap.site"

local leaks = {}

core.sites(sites.here)

-- "report" says it, "error" also exits with 3, "off" says nothing.
leaks.mode = os.getenv "NEAP_LEAKS" == "error" and "error" or "report"

--- Sets the mode that the command asks for; "off" also keeps no sites.
---@param mode "report"|"error"|"off"|nil
function leaks.configure(mode)
  leaks.mode = mode or leaks.mode
  if leaks.mode == "off" then core.sites(false) end
end

local MINUTE, HOUR = 60, 3600

--- Writes seconds as people do: 5s, 12m, 3h.
---@param seconds number
---@return string
function leaks.age(seconds)
  if seconds < MINUTE then return ("%ds"):format(seconds // 1) end
  if seconds < HOUR then return ("%dm"):format(seconds // MINUTE) end
  return ("%dh"):format(seconds // HOUR)
end

local held = {} -- id of a connection -> what its scope held

--- Remembers what the scope of a connection that is being collected held.
---@param id integer
---@param text string|nil
function leaks.note_held(id, text)
  held[id] = text
end

local function say(message)
  if leaks.mode ~= "off" then log.warn("leak: " .. message) end
end

local is_counting = false

-- In the loop's next turn, since what is dropped because the process ends is no
-- leak.
local function say_of_dropped(line)
  core.abandon()
  if is_counting then say(line) else job.run_loose(say, line) end
end

--- Reports a client that nobody closed.
---@param url string|nil
---@param where string|nil
---@param seconds number
function leaks.client(url, where, seconds)
  say_of_dropped(("client of %s opened at %s, open %s"):format(url or "?", where or "?",
    leaks.age(seconds)))
end

--- Reports a free-standing scope that nobody closed.
---@param label string|nil
---@param site string|nil
---@param seconds number
---@param held_text string|nil
function leaks.scope(label, site, seconds, held_text)
  local line = ("scope%s opened at %s, open %s%s"):format(label and " " .. label or "", site or "?",
    leaks.age(seconds), held_text and ", held " .. held_text or "")
  say_of_dropped(line)
end

--- Reports a free-standing timer that nobody closed, and that never fired.
---@param where string|nil
---@param seconds number
function leaks.timer(where, seconds)
  say_of_dropped(("timer opened at %s, open %s"):format(where or "?", leaks.age(seconds)))
end

core.hook("abandoned", function(id, site, seconds, is_client)
  local text = held[id]
  held[id] = nil
  say(("%s conn #%d opened at %s, open %s%s"):format(is_client and "client" or "detached", id,
    site or "?", leaks.age(seconds), text and ", held " .. text or ""))
end)

local CLASSES = {
  "listener", "conn", "timer", "task", "scope", "request", "subscription", "service", "client",
  "socket", "lookup",
}

local function say_alive(class, live)
  local known = 0
  for site, count in pairs(core.born(class)) do
    known = known + count
    say(("%d %s from %s still alive"):format(count, class, site))
  end
  if live > known then say(("%d %s still alive"):format(live - known, class)) end
end

-- What is dropped is closed by the loop: twice, for what the first frees.
local function settle()
  for _ = 1, 2 do
    collectgarbage()
    require("neap.task").sleep(0.005)
  end
end

--- Counts, after the app has ended, what was abandoned or still lives, and says
--- what and where from.
---@return integer
function leaks.count()
  is_counting = true
  require("neap.task").run(settle)
  is_counting = false
  local counts, leaked = core.counts(), core.abandoned()
  for _, class in ipairs(CLASSES) do
    local live = counts[class].live
    leaked = leaked + live
    if live > 0 then say_alive(class, live) end
  end
  return leaked
end

--- Counts what lives in workers that the process ends without, and says what.
---@return integer conns
---@return integer others
function leaks.count_elsewhere()
  local all, own, others = core.counts(true), core.counts(), 0
  for _, class in ipairs(CLASSES) do
    local live = class ~= "conn" and all[class].live - own[class].live or 0
    others = others + live
    if live > 0 then say(("%d %s still alive in a worker that is stuck"):format(live, class)) end
  end
  return all.conn.live - own.conn.live, others
end

return leaks
