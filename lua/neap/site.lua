--- Sites: which line of the user's script called neap.
--
-- A tail call leaves no line behind. A script's own can't be helped, so it is
-- recognised; neap's functions that lead here make none: `return (f(x))`.

local suggest = require "neap.suggest"

local site = {}

local HERE = debug.getinfo(1, "S").source:match("^(@.*)site%.lua$") or "@neap/"

--- What the sources of neap's own modules begin with.
site.here = HERE

local function is_ours(info)
  return info.what == "C" or info.source:sub(1, #HERE) == HERE
end

-- Says whether the script's own frame can't be found above this one: it ended
-- with a tail call, or the command itself is the caller.
local function is_past_script(info)
  return is_ours(info) and (info.istailcall or info.source == HERE .. "cli.lua")
end

--- The path of the script that the command runs.
site.script = nil

-- Where the script's main chunk ends with a tail call: at its last statement,
-- which is the last return that stands at a line's start.
local function last_return()
  local file = site.script and io.open(site.script)
  if not file then return nil end
  local number, found = 0, nil
  for line in file:lines() do
    number = number + 1
    if line:find("^return%f[^%w_]") then found = number end
  end
  file:close()
  return ("%s:%d"):format(site.script, found or math.max(number, 1))
end

--- Returns "app.lua:12" for the nearest caller outside neap, or nil.
---@return string|nil
function site.caller()
  local level = 2
  local info = debug.getinfo(level, "Slt")
  while info and is_ours(info) do
    if is_past_script(info) then return last_return() end
    level = level + 1
    info = debug.getinfo(level, "Slt")
  end
  return info and ("%s:%d"):format(info.short_src, info.currentline)
end

--- Raises `message` as an error at the caller's line in the user's script.
---@param message string
function site.fail(message, ...)
  if select("#", ...) > 0 then message = message:format(...) end
  local where = site.caller()
  error(where and where .. ": " .. message or message, 0)
end

--- Raises when `value` is not of the type that an argument needs.
---@param value any
---@param expected string a type name, or several: "string or number"
---@param name string what the argument is called
function site.expect(value, expected, name)
  for kind in expected:gmatch("%a+") do
    if type(value) == kind then return end
  end
  site.fail("%s must be a %s, not %s", name, expected, type(value))
end

--- Raises unless `given` is a table of options that `known` has, of its types.
---@param given table
---@param known table<string, string> the types of each: "string or nil"
---@param whose string what takes them
function site.options(given, known, whose)
  site.expect(given, "table", whose .. "'s options")
  for name in pairs(given) do
    if not known[name] then
      site.fail("unknown option %s of %s%s", tostring(name), whose,
        suggest.did_you_mean(name, known))
    end
  end
  for name, kinds in pairs(known) do
    site.expect(given[name], kinds, ("%s's %s"):format(whose, name))
  end
end

return site
