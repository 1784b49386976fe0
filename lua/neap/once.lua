--- What an app starts once for the process: its tasks and timers run in worker 1,
--- unless each worker is to have its own.

local core = require "neap.core"
local site = require "neap.site"

local once = {}

-- The handle of what runs elsewhere.
local elsewhere_mt = { __name = "neap.elsewhere", __close = function() end }
elsewhere_mt.__index = { close = function() end }

local function is_wanted(options)
  return (core.worker()) == 1 or (options and options.each_worker) or false
end

local function check(options, what)
  site.expect(options, "table or nil", what .. "'s options")
  for name in pairs(options or {}) do
    if name ~= "each_worker" then
      site.fail("%s has no option %s; it takes each_worker", what, tostring(name))
    end
  end
end

local function timed(methods, name)
  local in_scope = methods[name]
  methods[name] = function(self, seconds, fn, options)
    check(options, "app:" .. name)
    if not is_wanted(options) then return setmetatable({}, elsewhere_mt) end
    return (in_scope(self, seconds, fn))
  end
end

--- Makes every, after and spawn of an app those of worker 1.
---@param methods table
function once.install(methods)
  timed(methods, "every")
  timed(methods, "after")
  local spawn = methods.spawn
  methods.spawn = function(self, ...)
    local options = type(...) == "table" and (...) or nil
    check(options, "app:spawn")
    if not is_wanted(options) then return setmetatable({}, elsewhere_mt) end
    local handle, message, code = spawn(self, select(options and 2 or 1, ...))
    return handle, message, code
  end
end

return once
