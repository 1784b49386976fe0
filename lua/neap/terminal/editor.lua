--- A line that is being edited: keys in, lines out, and how it looks. It knows no
--- terminal, only bytes.

local editor = {}

local methods = {}
local mt = { __name = "neap.editor", __index = methods }

--- Makes one.
---@param history table
---@param prompt string
---@return table
function editor.new(history, prompt)
  return setmetatable({ history = history, prompt = prompt, chars = {}, at = 1, rest = "" }, mt)
end

-- ---- the text: an array of characters, and the place of the cursor in it

function methods:text()
  return table.concat(self.chars)
end

local function set_text(self, text)
  self.chars = {}
  for char in text:gmatch(utf8.charpattern) do self.chars[#self.chars + 1] = char end
  self.at = #self.chars + 1
end

local function insert(self, char)
  table.insert(self.chars, self.at, char)
  self.at = self.at + 1
end

local function delete(self, from, to)
  for _ = from, math.min(to, #self.chars) do table.remove(self.chars, from) end
  self.at = from
end

local function word_start(self)
  local i = self.at
  while i > 1 and self.chars[i - 1] == " " do i = i - 1 end
  while i > 1 and self.chars[i - 1] ~= " " do i = i - 1 end
  return i
end

local function word_end(self)
  local i = self.at
  while self.chars[i] == " " do i = i + 1 end
  while self.chars[i] and self.chars[i] ~= " " do i = i + 1 end
  return i
end

-- ---- keys

local keys = {}

function keys.left(self) self.at = math.max(1, self.at - 1) end
function keys.right(self) self.at = math.min(#self.chars + 1, self.at + 1) end
function keys.home(self) self.at = 1 end
keys["end"] = function(self) self.at = #self.chars + 1 end
function keys.word_left(self) self.at = word_start(self) end
function keys.word_right(self) self.at = word_end(self) end
function keys.kill_end(self) delete(self, self.at, #self.chars) end
function keys.kill_word(self) delete(self, word_start(self), self.at - 1) end
function keys.redraw() end

function keys.delete(self)
  if self.chars[self.at] then delete(self, self.at, self.at) end
end

function keys.backspace(self)
  if self.at > 1 then delete(self, self.at - 1, self.at - 1) end
end

function keys.kill_start(self)
  delete(self, 1, self.at - 1)
end

function keys.up(self)
  local line = self.history:move(-1, self:text())
  if line then set_text(self, line) end
end

function keys.down(self)
  local line = self.history:move(1, self:text())
  if line then set_text(self, line) end
end

function keys.enter(self)
  local line = self:text()
  self.history:add(line)
  set_text(self, "")
  return "line", line
end

function keys.eof(self)
  if #self.chars == 0 then return "eof" end
  keys.delete(self)
end

function keys.interrupt()
  return "interrupt"
end

function keys.suspend()
  return "suspend"
end

local CONTROL = {
  [1] = "home", [2] = "left", [3] = "interrupt", [4] = "eof", [5] = "end", [6] = "right",
  [8] = "backspace", [10] = "enter", [11] = "kill_end", [12] = "redraw", [13] = "enter",
  [14] = "down", [16] = "up", [21] = "kill_start", [23] = "kill_word", [26] = "suspend",
  [127] = "backspace",
}

local ESCAPED = {
  ["[A"] = "up", ["[B"] = "down", ["[C"] = "right", ["[D"] = "left", ["[H"] = "home",
  ["[F"] = "end", ["OA"] = "up", ["OB"] = "down", ["OC"] = "right", ["OD"] = "left",
  ["OH"] = "home", ["OF"] = "end", ["[1~"] = "home", ["[4~"] = "end", ["[3~"] = "delete",
  ["[7~"] = "home", ["[8~"] = "end", ["[1;5C"] = "word_right", ["[1;5D"] = "word_left",
  ["[1;3C"] = "word_right", ["[1;3D"] = "word_left", b = "word_left", f = "word_right",
  ["\127"] = "kill_word",
}

-- What stands at the front of the bytes: how many they are, and the key or the
-- character; nothing while it is not whole.
local function read_key(bytes)
  local first = bytes:byte()
  if first == 27 then
    local sequence = bytes:match "^\27(%[[%d;]*[%a~])" or bytes:match "^\27(O%a)"
      or bytes:match "^\27([^%[O])"
    if not sequence then return nil end
    return 1 + #sequence, ESCAPED[sequence]
  end
  if first < 32 or first == 127 then return 1, CONTROL[first] end
  local size = first < 128 and 1 or first < 224 and 2 or first < 240 and 3 or 4
  if #bytes < size then return nil end
  local char = bytes:sub(1, size)
  if not utf8.len(char) then return 1 end
  return size, nil, char
end

--- Takes what was typed.
---@param bytes string
---@return table[] events {"line", text}, {"eof"}, {"interrupt"} or {"suspend"}
function methods:feed(bytes)
  local events = {}
  bytes = self.rest .. bytes
  while bytes ~= "" do
    local size, key, char = read_key(bytes)
    if not size then break end
    bytes = bytes:sub(size + 1)
    if char then insert(self, char) end
    local kind, value
    if key then kind, value = keys[key](self) end
    if kind then events[#events + 1] = { kind, value } end
  end
  self.rest = #bytes < 16 and bytes or ""
  return events
end

-- ---- how it looks

local WIDE = {
  { 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
  { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0x1f300, 0x1faff }, { 0x20000, 0x3fffd },
}

local function width_of(char)
  local code = utf8.codepoint(char)
  if code >= 0x300 and code <= 0x36f then return 0 end
  for _, range in ipairs(WIDE) do
    if code >= range[1] and code <= range[2] then return 2 end
  end
  return 1
end

-- The first character that is shown, so that the cursor is within `room` columns.
local function first_shown(self, room)
  local first, used = self.at, 0
  while first > 1 do
    used = used + width_of(self.chars[first - 1])
    if used > room then break end
    first = first - 1
  end
  return first
end

--- What draws it on a row of `columns`, from wherever the cursor is in that row.
---@param columns integer
---@return string
function methods:draw(columns)
  local room = math.max(1, columns - #self.prompt - 1)
  local first = first_shown(self, room)
  local shown, used, cursor, i = {}, 0, 0, first
  while self.chars[i] and used + width_of(self.chars[i]) <= room do
    shown[#shown + 1] = self.chars[i]
    used = used + width_of(self.chars[i])
    i = i + 1
    if i <= self.at then cursor = used end
  end
  return ("\r\27[K%s%s\r\27[%dC"):format(self.prompt, table.concat(shown), #self.prompt + cursor)
end

return editor
