--- Text for people: JSON over several lines, bytes in hexadecimal.

local pretty = {}

local INDENT = "  "

-- The end of the string that begins at `at`, or nil.
local function string_end(text, at)
  local i = at + 1
  while true do
    local stop = text:find('["\\]', i)
    if not stop then return nil end
    if text:sub(stop, stop) == '"' then return stop end
    i = stop + 2
  end
end

local CLOSER = { ["{"] = "}", ["["] = "]" }

local step = {}

function step.open(state, char, text, at)
  local empty = text:match("^%s*()" .. "%" .. CLOSER[char], at + 1)
  if empty then
    state:put(char .. CLOSER[char])
    return empty
  end
  state.open[#state.open + 1] = CLOSER[char]
  state:put(char)
  state:line()
  return at
end

function step.close(state, char, _, at)
  if table.remove(state.open) ~= char then return nil end
  state:line()
  state:put(char)
  return at
end

local state_mt = { __index = {
  put = function(state, text) state.out[#state.out + 1] = text end,
  line = function(state) state:put("\n" .. INDENT:rep(#state.open)) end,
} }

-- Lays out one token; returns where it ends, or nil when this is no JSON.
local function lay_out(state, text, at)
  local char = text:sub(at, at)
  if char == '"' then
    local stop = string_end(text, at)
    if stop then state:put(text:sub(at, stop)) end
    return stop
  end
  if CLOSER[char] then return step.open(state, char, text, at) end
  if char == "}" or char == "]" then return step.close(state, char, text, at) end
  if char == "," then state:put ","; state:line() return at end
  if char == ":" then state:put ": " return at end
  local word = text:match("^[%w+.-]+", at)
  if not word then return nil end
  state:put(word)
  return at + #word - 1
end

--- Lays JSON out over several lines, with its keys and numbers as they came. What
--- is no object or array comes back as it is.
---@param text string
---@return string
function pretty.json(text)
  if not text:find "^%s*[{%[]" then return text end
  local state = setmetatable({ out = {}, open = {} }, state_mt)
  local at = text:match "^%s*()"
  while at <= #text do
    local stop = lay_out(state, text, at)
    if not stop then return text end
    at = text:match("^%s*()", stop + 1)
  end
  return #state.open == 0 and table.concat(state.out) or text
end

local SHOWN = 64 -- bytes

--- Shows the first bytes of a binary message.
---@param data string
---@return string
function pretty.bytes(data)
  local hex = data:sub(1, SHOWN):gsub(".", function(c) return ("%02x "):format(c:byte()) end)
  return ("(%d bytes) %s%s"):format(#data, hex, #data > SHOWN and "..." or "")
end

--- Takes the power out of what a server sends: no control characters but line
--- ends and tabs reach the terminal.
---@param text string
---@return string
function pretty.harmless(text)
  return (text:gsub("[%c\127]", function(c)
    if c == "\n" or c == "\t" then return c end
    return ("\\x%02x"):format(c:byte())
  end):gsub("\194[\128-\159]", "\u{fffd}"))
end

return pretty
