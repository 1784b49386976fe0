--- What is typed, or comes from a pipe or a file.

local socket = require "neap.dial.socket"
local task = require "neap.task"

local input = {}

local CHUNK = 16384

-- A regular file is always ready, and can't be waited for.
local function read_file()
  task.sleep(0)
  local data = io.stdin:read(CHUNK)
  if data then return data end
  return nil, "the end was reached", "closed"
end

--- Opens stdin; returns a function that waits for bytes, and what closes it.
---@return fun(): string|nil, string|nil, string|nil read
---@return table|nil source to be closed
function input.open()
  local source = socket.open { fd = 0 }
  if not source then return read_file end
  return function() return source:read(CHUNK) end, source
end

--- Calls on_line for each line of a pipe or file, until its end.
---@param read fun(): string|nil
---@param on_line fun(line: string): boolean|nil false ends it
function input.each_line(read, on_line)
  local rest = ""
  for data in read do
    rest = rest .. data
    local from = 1
    for line, behind in rest:gmatch "([^\n]*)\n()" do
      if on_line((line:gsub("\r$", ""))) == false then return end
      from = behind
    end
    rest = rest:sub(from)
  end
  if rest ~= "" then on_line(rest) end
end

return input
