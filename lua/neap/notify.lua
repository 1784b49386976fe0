--- What a supervisor hears of the server: ready, reloading, stopping, alive.
--
-- The protocol of sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names.
-- Programs that the script starts do not inherit it.

local core = require "neap.core"
local log = require "neap.log"
local worker = require "neap.worker"

local notify = {}

local NAMES = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" }

local place, period -- the supervisor's socket, and seconds between signs of life
local watch -- the timer of those signs
local awaited = 0 -- workers that have not answered the last question

local function send(...)
  if not place then return end
  local ok, message = core.notify(place, table.concat({ ... }, "\n"))
  if not ok then log.debug("the supervisor does not hear", { error = message, at = place }) end
end

local function read_period(usec, pid)
  usec = tonumber(usec or "")
  if not usec or usec <= 0 then return nil end
  if pid and tonumber(pid) ~= core.process() then return nil end
  return usec / 1e6
end

--- Takes from the environment what the supervisor says, once.
function notify.open()
  local said = {}
  for i, name in ipairs(NAMES) do
    said[i] = os.getenv(name)
    if said[i] then core.unsetenv(name) end
  end
  if said[1] and said[1]:find "^[/@]." then place = said[1] end
  if said[2] then period = read_period(said[2], said[3]) end
end

-- Who has not begun, or has ended, is not waited for.
local function ask_others()
  awaited = 0
  for other = 2, (select(2, core.worker())) do
    if worker.tell(other, "alive?") then awaited = awaited + 1 end
  end
end

-- A loop that is stuck does not come here; another worker's does not answer.
local function give_sign(app)
  if awaited <= 0 or app.draining then
    send "WATCHDOG=1"
    ask_others()
  end
  watch:start(period / 2)
end

worker.on("alive?", function(from) worker.tell(from, "alive") end)
worker.on("alive", function() awaited = awaited - 1 end)

--- Gives a sign of life at half the time that the supervisor allows, from now
--- until notify.close().
---@param app table
function notify.watch(app)
  if not (place and period) then return end
  watch = core.timer(function() give_sign(app) end)
  watch:start(period / 2)
end

--- The server accepts.
---@param status string what `systemctl status` shows
function notify.ready(status)
  send("READY=1", "STATUS=" .. status)
end

--- It loads something anew, until it is ready again.
function notify.reloading()
  local _, now = core.process()
  send("RELOADING=1", ("MONOTONIC_USEC=%d"):format(now), "STATUS=reloading")
end

--- It has begun to end.
---@param status string
function notify.stopping(status)
  send("STOPPING=1", "STATUS=" .. status)
end

--- No sign of life follows.
function notify.close()
  if watch then watch:close() end
  watch = nil
end

return notify
