--- TLS: what a script says of certificates, made into contexts of the core.

local core = require "neap.core"
local log = require "neap.log"
local site = require "neap.site"

local tls = {}

core.hook("insecure", function(remote, fault)
  log.debug("a TLS handshake failed", { remote = remote, fault = fault })
end)

-- ---- clients

-- Contexts of clients by what they were asked for; an unused one is collected.
local clients = setmetatable({}, { __mode = "v" })

--- The options of a client's connection that are about TLS.
tls.CLIENT_OPTIONS = { ca = true, cert = true, key = true, passphrase = true, insecure = true }

--- Returns the context for a client's connections: one for all that ask for
--- the same.
---@param given table {ca, cert, key, passphrase, insecure}
---@return userdata|nil context
---@return string|nil message
---@return string|nil code
function tls.for_client(given)
  for _, name in ipairs { "ca", "cert", "key", "passphrase" } do
    site.expect(given[name], "string or nil", name)
  end
  site.expect(given.insecure, "boolean or nil", "insecure")
  local key = ("%q %q %q %q %s"):format(given.ca, given.cert, given.key, given.passphrase,
    given.insecure and "insecure" or "")
  local known = clients[key]
  if known then return known end
  local certs = given.cert and {
    { cert = given.cert, key = given.key, passphrase = given.passphrase },
  }
  local context, message, code = core.tls_context {
    role = "client", ca = given.ca, insecure = given.insecure, certs = certs,
  }
  clients[key] = context
  return context, message, code
end

return tls
