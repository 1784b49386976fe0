--- Options: one table that says what exists, in which unit, and its default.
--
-- What a script writes as nested tables is kept flat here, by full name
-- ("limits.message"), so that app, command and route lie over one another
-- with a plain merge.

local origin = require "neap.origin"
local size = require "neap.size"
local suggest = require "neap.suggest"

local options = {}

-- `app` marks what a route can't override.
local DECLARED = {
  { "limits.connections", "count", 100000, app = true },
  { "limits.per_ip", "count", 0, app = true },
  { "limits.handshakes", "count", 0, app = true },
  { "limits.header", "size", "8K", app = true, least = 256 },
  { "limits.body", "size", "1M" },
  { "limits.message", "size", "1M" },
  { "limits.queue", "size", "1M", least = 1 },
  { "limits.messages_per_second", "count", 0 },
  { "limits.bytes_per_second", "size", 0 },
  { "limits.burst", "seconds", 2, above = 0 },
  { "timeouts.handshake", "seconds", 10, app = true },
  { "timeouts.keepalive", "seconds", 75, app = true },
  { "timeouts.body", "seconds", 20, app = true },
  { "timeouts.ping", "seconds", 20 },
  { "timeouts.pong", "seconds", 10 },
  { "timeouts.idle", "seconds", 0 },
  { "timeouts.write", "seconds", 30 },
  { "timeouts.close", "seconds", 5, above = 0 },
  { "timeouts.cancel", "seconds", 1 },
  { "timeouts.drain", "seconds", 25, app = true },
  { "timeouts.turn", "seconds", 5, app = true },
  { "origins", "origins", "same" },
  { "hosts", "hosts", nil, app = true },
  { "overflow", "choice", "close",
    choices = { "close", "drop_new", "drop_old", "latest", "wait" } },
  { "deflate", "flag", true },
  { "deflate.takeover", "flag", false },
  { "deflate.window", "count", 15, least = 9, most = 15 },
  { "deflate.min", "size", 512 },
  { "deflate.level", "count", 1, least = 1, most = 9 },
  { "deflate.idle", "seconds", 0 },
  { "json", "codec", nil, app = true },
}

local by_name, member_names = {}, {}
local top_names, is_top = {}, {}

local function declare(entry)
  local name = entry[1]
  local group, member = name:match("^(%w+)%.(.+)$")
  by_name[name] = entry
  if group and not member_names[group] then member_names[group] = {} end
  if member then table.insert(member_names[group], member) end
  local top = group or name
  if not is_top[top] then table.insert(top_names, top) end
  is_top[top] = true
end

for _, entry in ipairs(DECLARED) do declare(entry) end

-- Each check returns the value in its own unit, or nil and what it should be.
local check = {}

function check.count(value, entry)
  local count = math.tointeger(value)
  local least, most = entry.least or 0, entry.most or math.maxinteger
  if count and count >= least and count <= most then return count end
  if entry.most then return nil, ("a whole number from %d to %d"):format(least, most) end
  return nil, ("a whole number of %d or more"):format(least)
end

function check.size(value, entry)
  local bytes, wanted = size.parse(value)
  if not bytes then return nil, wanted end
  local least = entry.least or 0
  if bytes < least then return nil, ("at least %d bytes"):format(least) end
  return bytes
end

function check.seconds(value, entry)
  local is_number = type(value) == "number" and value == value
  if is_number and value >= 0 and value < 2 ^ 31 and value > (entry.above or -1) then
    return value
  end
  return nil, entry.above and "a number of seconds above 0" or "a number of seconds, 0 or more"
end

function check.choice(value, entry)
  for _, choice in ipairs(entry.choices) do
    if value == choice then return value end
  end
  local hint = suggest.hint(value, entry.choices)
  return nil, "one of " .. table.concat(entry.choices, ", ") .. hint
end

function check.flag(value)
  if type(value) == "boolean" then return value end
  return nil, "true or false"
end

function check.origins(value)
  return origin.check_list(value)
end

function check.hosts(value)
  return origin.check_hosts(value)
end

function check.codec(value)
  if type(value) == "table" and value.encode and value.decode then return value end
  return nil, "a table with encode(value) and decode(text)"
end

local function show(value)
  if type(value) == "string" then return ('"%s"'):format(value) end
  return type(value) == "table" and "a table" or tostring(value)
end

local function check_value(entry, value)
  local checked, wanted = check[entry[2]](value, entry)
  if checked ~= nil then return checked end
  return nil, ("option %s must be %s, not %s"):format(entry[1], wanted, show(value))
end

local function unknown(name, word, candidates)
  return nil, ("unknown option %s%s"):format(name, suggest.hint(word, candidates))
end

local function put(flat, name, value, kind)
  local entry = by_name[name]
  if entry.app and kind == "route" then
    return nil, ("option %s belongs to the app; a route can't override it"):format(name)
  end
  local checked, message = check_value(entry, value)
  if checked == nil then return nil, message end
  flat[name] = checked
  return true
end

local function put_group(flat, group, members, kind)
  for member, value in pairs(members) do
    local name = group .. "." .. tostring(member)
    if not by_name[name] then return unknown(name, member, member_names[group]) end
    local ok, message = put(flat, name, value, kind)
    if not ok then return nil, message end
  end
  if by_name[group] then flat[group] = true end
  return true
end

local function put_top(flat, name, value, kind)
  if member_names[name] and type(value) == "table" then
    return put_group(flat, name, value, kind)
  end
  if by_name[name] then return put(flat, name, value, kind) end
  return nil, ("option %s must be a table, not %s"):format(name, show(value))
end

local function candidates_with(others)
  local names = { table.unpack(top_names) }
  for name in pairs(others) do names[#names + 1] = name end
  return names
end

--- Checks the options of a script and returns them flat, by full name.
---@param given table what the script wrote
---@param kind "app"|"route" a route may override only part of the options
---@param others table<string, boolean>|nil names beside the options that are known, and skipped
---@return table<string, any>|nil flat
---@return string|nil message
function options.parse(given, kind, others)
  local flat = {}
  others = others or {}
  for name, value in pairs(given) do
    if not others[name] then
      if not is_top[name] then return unknown(tostring(name), name, candidates_with(others)) end
      local ok, message = put_top(flat, name, value, kind)
      if not ok then return nil, message end
    end
  end
  return flat
end

local function from_text(entry, text)
  if text == "true" then return true end
  if text == "false" then return false end
  if entry[2] ~= "origins" and entry[2] ~= "hosts" then return tonumber(text) or text end
  if not text:find("[,:.]") then return text end
  local list = {}
  for item in text:gmatch("[^,]+") do list[#list + 1] = item end
  return list
end

local function refuse_name(name)
  local group, member = name:match("^(%w+)%.(.*)$")
  if member_names[name] then
    return nil, ("%s is a group; name one of it: %s.%s"):format(name, name, member_names[name][1])
  end
  if member_names[group] then return unknown(name, member, member_names[group]) end
  return unknown(name, group or name, top_names)
end

--- Reads "timeouts.ping=5", as the command's --set takes it.
---@param assignment string
---@return table<string, any>|nil flat
---@return string|nil message
function options.parse_assignment(assignment)
  local name, text = assignment:match("^([%w_.]+)=(.*)$")
  if not name then return nil, ("%s: write NAME=VALUE"):format(assignment) end
  local entry = by_name[name]
  if not entry then return refuse_name(name) end
  local flat = {}
  local ok, message = put(flat, name, from_text(entry, text), "app")
  return ok and flat or nil, message
end

--- Returns a new table in which later tables lie over earlier ones.
---@param ... table<string, any>
---@return table<string, any>
function options.merge(...)
  local merged = {}
  for _, flat in ipairs { ... } do
    for name, value in pairs(flat) do merged[name] = value end
  end
  return merged
end

--- Returns the default of every option, flat.
---@return table<string, any>
function options.defaults()
  local flat = {}
  for _, entry in ipairs(DECLARED) do
    if entry[3] ~= nil then flat[entry[1]] = check_value(entry, entry[3]) end
  end
  return flat
end

--- Lists the options in `flat` that belong to the app that listens.
---@param flat table<string, any>
---@return string[] names
function options.of_app(flat)
  local names = {}
  for name in pairs(flat) do
    if by_name[name].app then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- Which flat options the C core takes, under which name.
local CORE = {
  connections = "limits.connections",
  header = "limits.header", message = "limits.message", queue = "limits.queue",
  handshake = "timeouts.handshake", ping = "timeouts.ping", pong = "timeouts.pong",
  idle = "timeouts.idle", write = "timeouts.write", close = "timeouts.close",
  per_ip = "limits.per_ip", handshakes = "limits.handshakes",
  messages_per_second = "limits.messages_per_second",
  bytes_per_second = "limits.bytes_per_second", burst = "limits.burst",
  keepalive = "timeouts.keepalive", body = "timeouts.body",
  overflow = "overflow", deflate = "deflate", takeover = "deflate.takeover",
  window = "deflate.window", min = "deflate.min", level = "deflate.level",
  context = "deflate.idle",
}

--- Returns the part of `flat` that neap.core's settings take.
---@param flat table<string, any>
---@return table<string, any>
function options.for_core(flat)
  local taken = {}
  for short, name in pairs(CORE) do taken[short] = flat[name] end
  return taken
end

return options
