--- Addresses: IPv4 and IPv6 as bytes, and ranges of them (CIDR).
--
-- An IPv4 address that comes as IPv6 (::ffff:10.0.0.1) is the IPv4 address.

local ip = {}

local function parse_v4(text)
  local parts = { text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  for i, digits in ipairs(parts) do
    local value = tonumber(digits)
    if value > 255 or digits:find("^0%d") then return nil end
    parts[i] = string.char(value)
  end
  return parts[1] and table.concat(parts)
end

-- An IPv4 address at the end stands for two groups.
local function spell_tail(text)
  local head, tail = text:match("^(.*:)([^:]*%.[^:]*)$")
  if not head then return text end
  local bytes = parse_v4(tail)
  return bytes and head .. ("%x:%x"):format(string.unpack(">I2I2", bytes))
end

local function parse_groups(text)
  local bytes = {}
  if text == "" then return "" end
  for group in (text .. ":"):gmatch("([^:]*):") do
    if not group:find("^%x%x?%x?%x?$") then return nil end
    bytes[#bytes + 1] = string.pack(">I2", tonumber(group, 16))
  end
  return table.concat(bytes)
end

local V4_IN_V6 = ("\0"):rep(10) .. "\255\255"

local function parse_v6(text)
  text = spell_tail(text)
  if not text then return nil end
  local left, right = text:match("^(.-)::(.*)$")
  local head, tail = parse_groups(left or text), parse_groups(right or "")
  if not head or not tail then return nil end
  local missing = 16 - #head - #tail
  if left and missing < 2 or not left and missing ~= 0 then return nil end
  local bytes = head .. ("\0"):rep(missing) .. tail
  return bytes:sub(1, 12) == V4_IN_V6 and bytes:sub(13) or bytes
end

--- Reads a numeric address.
---@param text string
---@return string|nil bytes 4 or 16 of them; nil when it is none
function ip.parse(text)
  if text:find(":", 1, true) then return parse_v6(text) end
  return parse_v4(text)
end

--- Splits what names a peer into its address and port.
---@param text string "1.2.3.4:5", "[::1]:5", "1.2.3.4", "::1" or "unix"
---@return string address
---@return integer|nil port
function ip.split(text)
  local address, port = text:match("^%[(.*)%]:?(%d*)$")
  if not address then address, port = text:match("^([^:]*):(%d+)$") end
  return address or text, math.tointeger(tonumber(port))
end

--- Writes an IPv4 address that came as IPv6 as what it is.
---@param address string numeric
---@return string
function ip.plain(address)
  local bytes = ip.parse(address)
  return bytes and #bytes == 4 and ("%d.%d.%d.%d"):format(bytes:byte(1, 4)) or address
end

local NAMED = {
  loopback = { "127.0.0.0/8", "::1/128" },
  private = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7" },
}

-- The first `bits` of `bytes`, and zeros behind them.
local function mask(bytes, bits)
  local whole, rest = bits // 8, bits % 8
  local kept = bytes:sub(1, whole)
  if rest > 0 then
    kept = kept .. string.char(bytes:byte(whole + 1) & (0xff << (8 - rest) & 0xff))
  end
  return kept .. ("\0"):rep(#bytes - #kept)
end

local function read_range(text)
  local address, bits = text:match("^(.-)/(%d+)$")
  local bytes = ip.parse(address or text)
  if not bytes then return nil, ("%s is no address such as 10.0.0.0/8 or ::1"):format(text) end
  bits = bits and tonumber(bits) or #bytes * 8
  if bits > #bytes * 8 then return nil, ("%s has more bits than an address"):format(text) end
  if mask(bytes, bits) ~= bytes then
    return nil, ("%s has bits set behind the first %d"):format(text, bits)
  end
  return { bytes = bytes, bits = math.tointeger(bits) }
end

--- Reads a list of ranges: addresses, CIDR, "loopback", "private", "unix".
---@param list string[]
---@return table|nil ranges
---@return string|nil message
function ip.ranges(list)
  local ranges = { unix = false }
  for _, text in ipairs(list) do
    if text == "unix" then ranges.unix = true end
    for _, one in ipairs(NAMED[text] or text ~= "unix" and { text } or {}) do
      local range, message = read_range(tostring(one))
      if not range then return nil, message end
      ranges[#ranges + 1] = range
    end
  end
  return ranges
end

--- Says whether an address lies in one of the ranges.
---@param ranges table from ip.ranges
---@param address string a numeric address, or "unix"
---@return boolean
function ip.is_in(ranges, address)
  if address == "unix" then return ranges.unix end
  local bytes = ip.parse(address)
  if not bytes then return false end
  for _, range in ipairs(ranges) do
    if #range.bytes == #bytes and mask(bytes, range.bits) == range.bytes then return true end
  end
  return false
end

--- What a limit should count as one peer: an IPv4 address, or an IPv6 network
--- of 64 bits, which is what one subscriber has.
---@param remote string
---@return string key
function ip.key(remote)
  local address = ip.split(remote)
  local bytes = ip.parse(address)
  return bytes and bytes:sub(1, 8) or address
end

return ip
