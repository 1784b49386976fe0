--- How long a client stays away, and whether it comes back at all.

local backoffs = require "neap.backoff"
local site = require "neap.site"

local comeback = {}

local methods = {}
local mt = { __name = "neap.comeback", __index = methods }

local RESET = 10 -- seconds that a connection must last

-- RFC 6455's registry asks for a delay drawn from these after a restart.
local RESTART_LEAST, RESTART_MOST = 5, 30

local LONGEST = 3600 -- seconds that a server may send a client away for

--- Makes one; raises at the script's line for wrong options.
---@param given table|nil {min, max, jitter = "full"|"none", reset}, times in seconds
---@return table
function comeback.new(given)
  site.expect(given, "table or nil", "reconnect")
  local options = {}
  for name, value in pairs(given or {}) do options[name] = value end
  local reset = options.reset or RESET
  site.expect(reset, "number", "reconnect.reset")
  options.reset = nil
  local backoff = backoffs.new(options, "reconnect")
  return setmetatable({ backoff = backoff, reset = reset }, mt)
end

local function between(self, least, most)
  if self.backoff.is_exact then return most end
  return least + math.random() * (most - least)
end

--- Returns how many seconds to stay away.
---@param hint table|nil what judge_answer or judge_close returned
---@return number seconds
function methods:next(hint)
  local seconds, max = self.backoff:next(), self.backoff.max
  hint = hint or {}
  if hint.after then return math.min(hint.after, LONGEST) + between(self, 0, self.backoff.min) end
  if hint.is_restart then
    return between(self, math.min(RESTART_LEAST, max / 2), math.min(RESTART_MOST, max))
  end
  if hint.is_unwelcome then return between(self, max / 2, max) end
  return seconds
end

--- The connection was up for so many seconds: if that was long enough, the next
--- failure counts as the first.
---@param seconds number
function methods:was_up(seconds)
  if seconds >= self.reset then self.backoff:reset() end
end

local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10,
  Nov = 11, Dec = 12,
}

-- Days from 1970 to a date of the Gregorian calendar.
local function day_number(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5
    + day - 719469
end

--- Reads the value of Retry-After: seconds, or a date.
---@param value string|nil
---@param now number seconds since 1970
---@return number|nil seconds
function comeback.read_retry_after(value, now)
  if not value then return nil end
  if value:find "^%d+$" then return tonumber(value) end
  local day, month, year, hour, minute, second =
    value:match "^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$"
  if not day or not MONTHS[month] then return nil end
  local days = day_number(math.tointeger(year), MONTHS[month], math.tointeger(day))
  return math.max(0, days * 86400 + hour * 3600 + minute * 60 + second - now)
end

local REFUSALS = { [401] = true, [403] = true, [407] = true }

--- Judges an answer that was no upgrade.
---@param answer table|nil {status, proxy_status, ["retry-after"]}
---@param can_change boolean the next request may have other credentials
---@param now number seconds since 1970
---@return table|nil hint for next; nil: do not come back
function comeback.judge_answer(answer, can_change, now)
  if not answer then return {} end
  local status = answer.status or answer.proxy_status
  if REFUSALS[status] and not (can_change and answer.status) then return nil end
  return {
    after = comeback.read_retry_after(answer["retry-after"], now),
    is_unwelcome = REFUSALS[status],
  }
end

--- Judges the end of a connection that was up.
---@param why table
---@return table|nil hint for next; nil: do not come back
function comeback.judge_close(why)
  local code = why.by == "peer" and why.code or 0
  if code >= 4500 and code <= 4999 then return nil end
  return { is_restart = code == 1012, is_unwelcome = code == 1013 or code == 1008 }
end

return comeback
