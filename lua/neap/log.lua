--- The log: one line of text or JSON on stderr for each thing worth knowing.
--
-- Whatever peers send may end up in a message, so control characters are
-- escaped: nobody but neap starts a line.

local log = {}

local RANK = { error = 1, warn = 2, info = 3, debug = 4 }

local settings = { format = "text", rank = RANK.info }

local function write_stderr(line)
  io.stderr:write(line)
end

local function wall_time()
  local loaded = package.loaded["neap.core"]
  return loaded and loaded.wall and loaded.wall() or os.time()
end

local function timestamp()
  local now = wall_time()
  local whole = math.floor(now)
  return os.date("!%Y-%m-%dT%H:%M:%S", whole)
    .. (".%03dZ"):format(math.floor((now - whole) * 1000))
end

local SHORT = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape_control(text)
  return (text:gsub("[%c\127]", function(c)
    return SHORT[c] or ("\\x%02x"):format(c:byte())
  end):gsub("\194[\128-\159]", function(c)
    return ("\\u{%x}"):format(utf8.codepoint(c))
  end))
end

local function quote(value)
  local text = escape_control(tostring(value))
  if text ~= "" and not text:find('[%s"=\\]') then return text end
  return '"' .. text:gsub('"', '\\"') .. '"'
end

local function sorted_keys(fields)
  local keys = {}
  for key in pairs(fields) do
    if key ~= "trace" then keys[#keys + 1] = tostring(key) end
  end
  table.sort(keys)
  return keys
end

-- A traceback keeps its lines, each indented, so that none looks like an entry.
local function indent_trace(trace)
  local lines = {}
  for line in (tostring(trace) .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = "    " .. escape_control((line:gsub("^%s+", ""))) .. "\n"
  end
  return table.concat(lines)
end

local function format_text(level, message, fields)
  local parts = { timestamp(), level, escape_control(message) }
  for _, key in ipairs(sorted_keys(fields)) do
    parts[#parts + 1] = escape_control(key) .. "=" .. quote(fields[key])
  end
  local line = table.concat(parts, " ") .. "\n"
  return fields.trace and line .. indent_trace(fields.trace) or line
end

local function json_string(value)
  local text = tostring(value)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "\u{fffd}") end
  text = text:gsub('[%c\127"\\]', function(c)
    return SHORT[c] or c:find('["\\]') and "\\" .. c or ("\\u%04x"):format(c:byte())
  end)
  return '"' .. text .. '"'
end

local function json_value(value)
  local is_finite = type(value) == "number" and value - value == 0
  if is_finite or type(value) == "boolean" then return tostring(value) end
  return json_string(value)
end

local function format_json(level, message, fields)
  local parts = {
    ('"time":"%s"'):format(timestamp()),
    ('"level":"%s"'):format(level),
    '"message":' .. json_string(message),
  }
  for _, key in ipairs(sorted_keys(fields)) do
    parts[#parts + 1] = json_string(key) .. ":" .. json_value(fields[key])
  end
  if fields.trace then parts[#parts + 1] = '"trace":' .. json_string(fields.trace) end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

local FORMATS = { text = format_text, json = format_json }

--- Sets the format, the least important level that is written, or the writer.
---@param options table format "text"|"json", level "error"|"warn"|"info"|"debug", write(line)
---@return boolean|nil ok
---@return string|nil message
function log.configure(options)
  if options.format and not FORMATS[options.format] then
    return nil, ("unknown log format %s; known: text, json"):format(options.format)
  end
  if options.level and not RANK[options.level] then
    return nil, ("unknown log level %s; known: error, warn, info, debug"):format(options.level)
  end
  settings.format = options.format or settings.format
  settings.rank = RANK[options.level] or settings.rank
  settings.write = options.write or settings.write
  return true
end

--- Says whether entries of `level` are written.
---@param level string
---@return boolean
function log.is_on(level)
  return RANK[level] <= settings.rank
end

local function write(level, message, fields)
  if RANK[level] > settings.rank then return end
  local line = FORMATS[settings.format](level, tostring(message), fields or {})
  local writer = settings.write or write_stderr
  writer(line)
end

--- Each writes one entry. `fields.trace`, if given, is a traceback.
---@param message string
---@param fields table<string, any>|nil
function log.error(message, fields) write("error", message, fields) end

---@param message string
---@param fields table<string, any>|nil
function log.warn(message, fields) write("warn", message, fields) end

---@param message string
---@param fields table<string, any>|nil
function log.info(message, fields) write("info", message, fields) end

---@param message string
---@param fields table<string, any>|nil
function log.debug(message, fields) write("debug", message, fields) end

return log
