--- Descriptors that systemd has opened and hands over by name: fd:NAME.
--
-- It says how many there are, from 3 on, and for which process: a program that
-- inherits the words without the descriptors must not believe them.

local core = require "neap.core"

local handed = {}

local FIRST = 3

-- Which are somebody's already: two sockets of one unit have the same name.
local is_used = {}

--- Reads what the environment says.
---@param getenv fun(name: string): string|nil
---@param pid integer
---@return table[]|nil list of {fd, name}
---@return string|nil message
function handed.read(getenv, pid)
  local count = tonumber(getenv "LISTEN_FDS" or "")
  if not count then return nil, "no descriptor was handed over (LISTEN_FDS is not set)" end
  if tonumber(getenv "LISTEN_PID" or "") ~= pid then
    return nil, "the descriptors were handed to another process (LISTEN_PID is not its own)"
  end
  local list = {}
  for name in ((getenv "LISTEN_FDNAMES" or "") .. ":"):gmatch "([^:]*):" do
    if #list < count then list[#list + 1] = { fd = FIRST + #list, name = name } end
  end
  for i = #list + 1, count do list[i] = { fd = FIRST + i - 1, name = "unknown" } end
  return list
end

local function names_of(list)
  local names = {}
  for i, each in ipairs(list) do names[i] = ("fd:%s (%d)"):format(each.name, each.fd) end
  return names[1] and table.concat(names, ", ") or "nothing"
end

--- Gives the address of a listener its descriptor, if it is known by a name.
---@param parsed table what address.parse returned
---@return true|nil ok
---@return string|nil message
function handed.resolve(parsed)
  if not parsed.name or parsed.fd then return true end
  local list, message = handed.read(os.getenv, (core.process()))
  if not list then return nil, message end
  for _, each in ipairs(list) do core.seal(each.fd) end
  for _, each in ipairs(list) do
    if each.name == parsed.name and not is_used[each.fd] then
      is_used[each.fd], parsed.fd = true, each.fd
      return true
    end
  end
  return nil, ("there is no such descriptor; handed over: %s"):format(names_of(list))
end

return handed
