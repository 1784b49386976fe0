--- Who may ask: the Origin header of a browser, and the Host it asks for.
--
-- A page of a foreign site can open a WebSocket to any server; the browser
-- says in Origin where the page came from. A page can also give its own name
-- an address of this machine, which is why a loopback listener looks at Host.

local origin = {}

local DEFAULT_PORT = { http = "80", https = "443", ws = "80", wss = "443" }

-- Splits "example.org:8080" or "[::1]:8080" into a lower-case name and a port.
local function split_host(text)
  local name, port = text:match("^(%[[%x:.]+%]):?(%d*)$")
  if not name then name, port = text:match("^([^:%[%]/@%s]+):?(%d*)$") end
  if not name then return nil end
  return name:lower(), port ~= "" and port or nil
end

local function split_origin(text)
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.+)$")
  if not scheme then return nil end
  scheme = scheme:lower()
  local name, port = split_host(rest)
  if not name then return nil end
  return scheme, name, port or DEFAULT_PORT[scheme]
end

local function is_same(from, host)
  if not host then return false end
  if from == "http://" .. host or from == "https://" .. host then return true end
  local scheme, name, port = split_origin(from)
  local own_name, own_port = split_host(host)
  if not name or not own_name then return false end
  return name == own_name and port == (own_port or DEFAULT_PORT[scheme])
end

local function matches(entry, scheme, name, port)
  if entry.scheme ~= scheme then return false end
  if entry.port ~= "*" and entry.port ~= port then return false end
  if not entry.suffix then return entry.name == name end
  return #name > #entry.suffix and name:sub(-#entry.suffix) == entry.suffix
end

local function is_listed(list, from)
  local scheme, name, port = split_origin(from)
  if not scheme then return false end
  for _, entry in ipairs(list) do
    if matches(entry, scheme, name, port) then return true end
  end
  return false
end

--- Says whether a page of origin `from` may connect.
---@param rule "same"|"any"|table a checked rule
---@param from string|nil the Origin header; programs that are no browser send none
---@param host string|nil the Host header
---@return boolean
function origin.is_allowed(rule, from, host)
  if not from then return true end
  if rule == "any" then return from ~= "null" end
  if rule == "same" then return is_same(from, host) end
  return is_listed(rule, from)
end

local function read_pattern(text)
  if type(text) ~= "string" then return nil end
  local scheme, rest = text:match("^(%a[%w+.-]*)://(.+)$")
  if not scheme then return nil end
  local star, bare = rest:match("^(%*%.)(.+)$")
  local any_port = (bare or rest):match("^(.+):%*$")
  local name, port = split_host(any_port or bare or rest)
  if not name or name:find("*", 1, true) then return nil end
  return {
    text = text,
    scheme = scheme:lower(),
    name = name,
    suffix = star and "." .. name,
    port = any_port and "*" or port or DEFAULT_PORT[scheme:lower()],
  }
end

--- Reads the option `origins`.
---@param value any "same", "any", or a list such as {"https://*.example.org"}
---@return table|string|nil rule
---@return string|nil wanted what the value should be
function origin.check_list(value)
  if value == "same" or value == "any" then return value end
  local wanted = '"same", "any" or a list such as {"https://*.example.org"}'
  if type(value) ~= "table" then return nil, wanted end
  local list = {}
  for _, text in ipairs(value) do
    local entry = read_pattern(text)
    if not entry then return nil, wanted .. (" (%s is no origin)"):format(tostring(text)) end
    list[#list + 1] = entry
  end
  return list
end

--- Reads the option `hosts`: names, each with or without a port.
---@param value any a name or a list of names
---@return table|nil hosts a set of lower-case names
---@return string|nil wanted
function origin.check_hosts(value)
  local wanted = 'a list of host names such as {"example.org"}'
  if type(value) == "string" then value = { value } end
  if type(value) ~= "table" then return nil, wanted end
  local hosts = {}
  for _, text in ipairs(value) do
    local name, port = split_host(tostring(text))
    if not name then return nil, wanted end
    hosts[port and name .. ":" .. port or name] = true
  end
  return hosts
end

--- The names that a listener on a loopback address answers by itself.
origin.LOOPBACK_HOSTS = { localhost = true, ["127.0.0.1"] = true, ["[::1]"] = true }

--- Says whether a listener that answers `hosts` answers this Host header.
---@param hosts table|nil a set from check_hosts; nil answers every name
---@param host string|nil the Host header
---@return boolean
function origin.answers(hosts, host)
  if not hosts then return true end
  local name, port = split_host(host or "")
  if not name then return false end
  return hosts[name] or port ~= nil and hosts[name .. ":" .. port] or false
end

--- Says whether `address` can be reached from this machine alone.
---@param address string a numeric address or "localhost"
---@return boolean
function origin.is_loopback(address)
  return address:find("^127%.%d+%.%d+%.%d+$") ~= nil or address == "::1"
    or address:lower() == "localhost"
end

return origin
