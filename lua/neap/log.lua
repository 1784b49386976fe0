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

-- Characters that end a line or turn the direction of what follows, for some
-- reader: C1, U+2028 and U+2029, bidirectional controls, the byte order mark.
local function is_control(code)
  return code >= 0x80 and code <= 0x9f or code >= 0x2028 and code <= 0x202e
    or code >= 0x2066 and code <= 0x2069 or code == 0x200e or code == 0x200f
    or code == 0x61c or code == 0xfeff
end

local function escape_byte(c)
  return SHORT[c] or ("\\x%02x"):format(c:byte())
end

local function escape_character(character)
  local code = utf8.codepoint(character)
  return is_control(code) and ("\\u{%x}"):format(code) or nil
end

local function escape_control(text)
  text = text:gsub("[%c\127]", escape_byte)
  if not text:find("[\128-\255]") then return text end
  if not utf8.len(text) then return (text:gsub("[\128-\255]", escape_byte)) end
  return (text:gsub("[\194-\244][\128-\191]*", escape_character))
end

-- Backslashes are doubled before escapes add some: a value that ends in one
-- can't swallow the quote behind it.
local function quote(value)
  local raw = tostring(value)
  local text = escape_control((raw:gsub("\\", "\\\\")))
  if text ~= "" and text == raw and not text:find('[%s"=]') then return text end
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

local function json_byte(c)
  return SHORT[c] or c:find('["\\]') and "\\" .. c or ("\\u%04x"):format(c:byte())
end

local function json_character(character)
  local code = utf8.codepoint(character)
  return is_control(code) and ("\\u%04x"):format(code) or nil
end

local function json_string(value)
  local text = tostring(value)
  if not utf8.len(text) then text = text:gsub("[\128-\255]", "\u{fffd}") end
  text = text:gsub('[%c\127"\\]', json_byte):gsub("[\194-\244][\128-\191]*", json_character)
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

local find_more = function() end

--- Sets what finds the fields that entries of the running task get besides
--- their own.
---@param find function returns a table or nil
function log.find_fields(find)
  find_more = find
end

local function with_more(fields)
  local more = find_more()
  if not more then return fields or {} end
  local all = {}
  for name, value in pairs(more) do all[name] = value end
  for name, value in pairs(fields or all) do all[name] = value end
  return all
end

local function write(level, message, fields)
  if RANK[level] > settings.rank then return end
  local line = FORMATS[settings.format](level, tostring(message), with_more(fields))
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
