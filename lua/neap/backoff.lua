--- Backoff: how long to wait before the next attempt. Twice as long each time,
--- and by chance anything up to that ("full jitter"), so that those who failed
--- together do not come back together.

local site = require "neap.site"
local suggest = require "neap.suggest"

local backoff = {}

local methods = {}
local mt = { __name = "neap.backoff", __index = methods }

local KNOWN = { min = true, max = true, jitter = true }

local function check_seconds(value, name)
  site.expect(value, "number", name)
  if value ~= value or value <= 0 then site.fail("%s must be more than 0 seconds", name) end
  return value
end

--- Makes a backoff.
---@param given table {min = .5, max = 30, jitter = "full"|"none"}
---@param whose string what the option is called
---@return table backoff
function backoff.new(given, whose)
  site.expect(given, "table", whose)
  for name in pairs(given) do
    if not KNOWN[name] then
      site.fail("unknown option %s.%s%s", whose, tostring(name), suggest.did_you_mean(name, KNOWN))
    end
  end
  local jitter = given.jitter or "full"
  if jitter ~= "full" and jitter ~= "none" then
    site.fail('%s.jitter must be "full" or "none", not %s', whose, tostring(jitter))
  end
  local min = check_seconds(given.min or 0.5, whose .. ".min")
  local max = check_seconds(given.max or math.max(30, min), whose .. ".max")
  if max < min then site.fail("%s.max must not be less than %s.min", whose, whose) end
  return setmetatable({ min = min, max = max, is_exact = jitter == "none", tries = 0 }, mt)
end

--- Returns the seconds to wait before the next attempt.
---@return number
function methods:next()
  local ceiling = math.min(self.max, self.min * 2.0 ^ self.tries)
  self.tries = self.tries + 1
  return self.is_exact and ceiling or math.random() * ceiling
end

--- Begins anew: an attempt has lasted.
function methods:reset()
  self.tries = 0
end

return backoff
