--- The options of middleware, checked at the script's line.

local site = require "neap.site"
local suggest = require "neap.suggest"

local args = {}

local function sorted_names(declared)
  local names = {}
  for name in pairs(declared) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- rule: a list of types, and maybe default, required = "what to write",
-- check(value), which returns the value in its own form, or nil and what it
-- should be.
local function read_one(what, name, value, rule)
  if value == nil then
    if rule.required then site.fail("%s needs %s: %s", what, name, rule.required) end
    return rule.default
  end
  site.expect(value, rule[1], ("option %s of %s"):format(name, what))
  if not rule.check then return value end
  local checked, wanted = rule.check(value)
  if checked == nil then
    site.fail("option %s of %s must be %s", name, what, wanted)
  end
  return checked
end

--- Checks what a script gave to `what`.
---@param given table|nil
---@param what string for messages: "neap.middleware.cors"
---@param declared table<string, table> a rule for each option
---@return table own
function args.read(given, what, declared)
  site.expect(given, "table or nil", what .. "'s options")
  given = given or {}
  for name in pairs(given) do
    if not declared[name] then
      site.fail("unknown option %s of %s%s", tostring(name), what,
        suggest.did_you_mean(name, declared))
    end
  end
  local own = {}
  for _, name in ipairs(sorted_names(declared)) do
    own[name] = read_one(what, name, given[name], declared[name])
  end
  return own
end

--- Checks a number above 0.
function args.positive(value)
  if value > 0 and value < math.huge then return value end
  return nil, "a number above 0"
end

--- Checks a whole number of 1 or more.
function args.count(value)
  local count = math.tointeger(value)
  if count and count > 0 then return count end
  return nil, "a whole number of 1 or more"
end

--- Checks the name of a header.
function args.header_name(value)
  if value:find("^[%w!#$%%&'*+.^_`|~-]+$") then return value end
  return nil, "the name of a header"
end

--- Checks what stands between quotes in a header.
function args.quotable(value)
  if not value:find('[%c"\\\127-\255]') then return value end
  return nil, "plain text without quotes"
end

return args
