--- Where messages and news are printed: on a terminal around the line that is
--- being typed, else to stdout and stderr.

local screen = {}

local methods = {}
local mt = { __name = "neap.screen", __index = methods }

local COLUMNS = 80 -- where the terminal does not know

local function is_terminal(fd)
  return (os.execute(("test -t %d"):format(fd)))
end

local function run(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local text = pipe and pipe:read "a" or ""
  if pipe then pipe:close() end
  return text
end

--- Makes one.
---@param quiet boolean whether news is left out
---@return table
function screen.open(quiet)
  local self = setmetatable({
    quiet = quiet, is_terminal = is_terminal(1), has_keyboard = is_terminal(0), columns = COLUMNS,
  }, mt)
  self.has_colour = self.is_terminal and not os.getenv "NO_COLOR"
  return self
end

--- Takes keys one by one from here on, for an editor whose line stands last.
---@param editor table
function methods:begin_editing(editor)
  self.modes = run("stty -g"):match "^[%w:=]+"
  self.editor = editor
  self:resume_editing()
end

--- The same after a stop.
function methods:resume_editing()
  os.execute "stty -icanon -echo -isig min 1 time 0 2>/dev/null"
  local columns = math.tointeger(run("stty size"):match "^%d+ (%d+)")
  self.columns = columns and columns > 0 and columns or COLUMNS
  self:draw()
end

--- Gives the terminal back as it was.
function methods:pause_editing()
  if not self.modes then return end
  io.stdout:write "\r\27[K"
  io.stdout:flush()
  os.execute("stty " .. self.modes .. " 2>/dev/null")
end

--- Stops the process, as ^Z does, until somebody continues it.
function methods:suspend()
  self:pause_editing()
  os.execute "kill -TSTP $PPID"
  self:resume_editing()
end

--- Draws the line that is being typed.
function methods:draw()
  if not self.editor then return end
  io.stdout:write(self.editor:draw(self.columns))
  io.stdout:flush()
end

local function write(self, file, text)
  if self.editor then io.stdout:write "\r\27[K" end
  file:write(text)
  file:flush()
  self:draw()
end

--- Leaves a line that was sent above the next one.
---@param line string
function methods:keep(line)
  if self.editor then write(self, io.stdout, self.editor.prompt .. line .. "\n") end
end

--- Prints a message as it is.
---@param text string
function methods:message(text)
  write(self, io.stdout, text)
end

--- Prints news, unless that is left out.
---@param text string
function methods:news(text)
  if self.quiet then return end
  self:error(text)
end

--- Prints what must not be missed.
---@param text string
function methods:error(text)
  if self.editor and self.has_colour then
    return write(self, io.stdout, ("\27[2m* %s\27[0m\n"):format(text))
  end
  write(self, self.editor and io.stdout or io.stderr, ("neap: %s\n"):format(text))
end

--- Gives the terminal back.
function methods:close()
  if not self.editor then return end
  self.editor = nil
  self:pause_editing()
  self.modes = nil
end

mt.__close = methods.close

return screen
