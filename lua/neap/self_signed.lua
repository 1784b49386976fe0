--- neap.tls.self_signed: a certificate for trying things out on one's own
--- machine. Nobody else has a reason to trust it.

local core = require "neap.core"
local site = require "neap.site"

local self_signed = {}

local DAYS = 365

local function exists(path)
  local file <close> = io.open(path, "r")
  return file ~= nil
end

local function alternatives(names)
  local list = {}
  for i, name in ipairs(names) do
    site.expect(name, "string", "each of names")
    local is_address = name:find "^%d+%.%d+%.%d+%.%d+$" or name:find(":", 1, true)
    list[i] = (is_address and "IP:" or "DNS:") .. name
  end
  return table.concat(list, ",")
end

--- Makes a certificate and its key, unless both files are there already.
---@param given table cert and key are paths; names those it is for: localhost and
--- its addresses by default
---@return boolean|nil ok
---@return string|nil message
---@return string|nil code
function self_signed.make(given)
  site.expect(given, "table", "self_signed's options")
  site.expect(given.cert, "string", "cert")
  site.expect(given.key, "string", "key")
  site.expect(given.names, "table or nil", "names")
  if exists(given.cert) and exists(given.key) then return true end
  local names = given.names or { "localhost", "127.0.0.1", "::1" }
  local cert, key, code = core.self_signed(names[1], alternatives(names), DAYS)
  if not cert then return nil, key, code end
  local ok, message
  ok, message, code = core.write_private(given.key, key)
  if not ok then return nil, message, code end
  ok, message, code = core.write_private(given.cert, cert)
  return ok, message, code
end

return self_signed
