--- Sizes in bytes, as people write them: 4096, "64K", "16M", "2G".

local size = {}

local FACTOR = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30 }
local LARGEST = 2 ^ 53

--- Returns a size as a whole number of bytes.
---@param value any a number of bytes, or a string such as "64K"
---@return integer|nil bytes
---@return string|nil message what is wrong with the value
function size.parse(value)
  local digits, unit
  if type(value) == "number" then
    digits, unit = value, ""
  elseif type(value) == "string" then
    digits, unit = value:match("^(%d+%.?%d*)([kKmMgG]?)$")
    digits = tonumber(digits)
  end
  local bytes = digits and digits * FACTOR[unit:upper()]
  if not bytes or bytes < 0 or bytes > LARGEST or bytes % 1 ~= 0 then
    return nil, 'a size in bytes, or "64K", "16M", "2G"'
  end
  return math.tointeger(bytes)
end

--- Writes a number of bytes as a script would.
---@param bytes integer
---@return string
function size.format(bytes)
  for _, unit in ipairs { "G", "M", "K" } do
    local whole = FACTOR[unit]
    if bytes >= whole and bytes % whole == 0 then return ("%d%s"):format(bytes // whole, unit) end
  end
  return ("%d bytes"):format(bytes)
end

return size
