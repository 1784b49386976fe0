--- neap.middleware.real_ip: the client's address behind proxies.
--
-- Every proxy adds at the right whom it talked to; what stands further left is
-- what the client said, and may be a lie. So the list is walked from the right
-- for as long as the one who wrote an entry is trusted.

local args = require "neap.middleware.args"
local core = require "neap.core"
local ip = require "neap.ip"
local middleware = require "neap.middleware"

local function check_trusted(list)
  if not list[1] then return nil, 'a list such as {"10.0.0.0/8", "::1"}' end
  local ranges, message = ip.ranges(list)
  if ranges then return ranges end
  return nil, ("a list of addresses and ranges: %s"):format(message)
end

local OPTIONS = {
  trusted = { "table", check = check_trusted,
    required = 'the addresses of your proxies, as in {"10.0.0.0/8"}; also "loopback", '
      .. '"private", "unix"' },
  header = { "string", default = "X-Forwarded-For", check = args.header_name },
}

-- "1.2.3.4, [::1]:80" from the left.
local function split_plain(value)
  local entries = {}
  for entry in value:gmatch("[^,]+") do entries[#entries + 1] = entry:match("^%s*(.-)%s*$") end
  return entries
end

-- RFC 7239: for=192.0.2.1;proto=https, for="[2001:db8::1]:4711". An element
-- that can't be read is "". No address holds a comma, so none is looked for in
-- quotes: what a client leaves open hides nothing that a proxy adds to it.
local function read_element(element)
  local found = ""
  for parameter in element:gmatch("[^;]+") do
    local name, quote, value = parameter:match('^%s*(%w+)=("?)([^"]*)%2%s*$')
    if not name or quote == "" and value:find("[%s]") then return "" end
    if name:lower() == "for" then found = value end
  end
  return found
end

local function split_forwarded(value)
  local entries = split_plain(value)
  for i, element in ipairs(entries) do entries[i] = read_element(element) end
  return entries
end

-- Walks from the right; stops at what is no address, since nobody knows then
-- who wrote the rest.
local function find_client(trusted, peer, entries)
  local address, port = ip.split(peer)
  for i = #entries, 1, -1 do
    if not ip.is_in(trusted, address) then break end
    local next_address, next_port = ip.split(entries[i])
    if not ip.parse(next_address) then break end
    address, port = ip.plain(next_address), next_port
  end
  return address, port
end

--- Makes req.remote, and conn.remote after it, the address of the client, where
--- the peer is a trusted proxy.
---@param given table trusted = {"10.0.0.0/8", …}, header
---@return table middleware
return function(given)
  local own = args.read(given, "neap.middleware.real_ip", OPTIONS)
  local split = own.header:lower() == "forwarded" and split_forwarded or split_plain
  return middleware.make {
    name = "real_ip", type = "real_ip",
    run = function(req, next)
      local value, peer = req:header(own.header), req.remote
      if value then
        local address, port = find_client(own.trusted, peer, split(value))
        if address ~= ip.split(peer) then core.set_remote(req, address, port or 0) end
      end
      return next(req)
    end,
  }
end
