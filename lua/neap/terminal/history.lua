--- The lines that were typed before, kept in the state directory of the user.

local history = {}

local methods = {}
local mt = { __name = "neap.history", __index = methods }

local MOST = 1000 -- lines

local function directory()
  local state = os.getenv "XDG_STATE_HOME"
  if state and state:sub(1, 1) == "/" then return state .. "/neap" end
  local home = os.getenv "HOME"
  return home and home .. "/.local/state/neap"
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read(self)
  local file <close> = self.path and io.open(self.path)
  if not file then return end
  for line in file:lines() do
    if utf8.len(line) and not line:find "%c" then self.lines[#self.lines + 1] = line end
  end
end

--- Reads what there is; a history that can't be kept is kept in memory alone.
---@return table
function history.open()
  local self = setmetatable({ lines = {}, at = 0 }, mt)
  self.directory = directory()
  self.path = self.directory and self.directory .. "/history"
  read(self)
  self:rewind()
  return self
end

--- Adds a line, unless it is empty or the last one again.
---@param line string
function methods:add(line)
  if line ~= "" and line ~= self.lines[#self.lines] then
    self.lines[#self.lines + 1] = line
    self.is_changed = true
  end
  self:rewind()
end

--- Goes behind the last line again.
function methods:rewind()
  self.at, self.draft = #self.lines + 1, ""
end

--- Goes up (-1) or down (1); returns the line there, or nil at the end. What is
--- being typed is the last line.
---@param step integer
---@param typed string
---@return string|nil line
function methods:move(step, typed)
  local to = self.at + step
  if to < 1 or to > #self.lines + 1 then return nil end
  if self.at == #self.lines + 1 then self.draft = typed end
  self.at = to
  return self.lines[to] or self.draft
end

--- Writes the last lines, for the user's eyes alone.
function methods:save()
  if not self.is_changed or not self.path then return end
  os.execute(("umask 077; mkdir -p %s 2>/dev/null; : >>%s 2>/dev/null")
    :format(quote(self.directory), quote(self.path)))
  local file <close> = io.open(self.path, "w")
  if not file then return end
  file:write(table.concat(self.lines, "\n", math.max(1, #self.lines - MOST + 1)), "\n")
end

return history
