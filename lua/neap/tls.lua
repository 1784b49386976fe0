--- TLS: what a script says of certificates, made into contexts of the core.

local core = require "neap.core"
local log = require "neap.log"
local site = require "neap.site"
local suggest = require "neap.suggest"

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

-- ---- servers

local OF_CERT = { cert = true, key = true, passphrase = true, name = true }

local OF_LISTENER = { certs = true, client_ca = true }
for name in pairs(OF_CERT) do OF_LISTENER[name] = true end

local function check_names(given, known, what)
  for name in pairs(given) do
    if not known[name] then
      local names = {}
      for each in pairs(known) do names[#names + 1] = each end
      site.fail("unknown option %s of %s%s", tostring(name), what, suggest.hint(name, names))
    end
  end
end

local function check_cert(cert)
  site.expect(cert, "table", "each of certs")
  check_names(cert, OF_CERT, "a certificate")
  site.expect(cert.cert, "string", "cert")
  for _, name in ipairs { "key", "passphrase", "name" } do
    site.expect(cert[name], "string or nil", name)
  end
end

-- The certificates as a list, each with its passphrase.
local function read_certs(given)
  local list = given.certs
  if not list and given.cert then
    list = { { cert = given.cert, key = given.key, passphrase = given.passphrase,
      name = given.name } }
  end
  site.expect(list, "table or nil", "certs")
  local certs = {}
  for i, cert in ipairs(list or {}) do
    check_cert(cert)
    certs[i] = {
      cert = cert.cert, key = cert.key, name = cert.name,
      passphrase = cert.passphrase or given.passphrase or os.getenv "NEAP_TLS_PASSPHRASE",
    }
  end
  return certs
end

local function warn_of_expired(context, certs)
  for i, cert in ipairs(certs) do
    local at = context:expires(i)
    if at and at <= os.time() then
      local name = cert.cert:find "-----BEGIN" and "(PEM text)" or cert.cert
      log.warn("a certificate has expired", { cert = name, on = os.date("!%Y-%m-%d", at) })
    end
  end
end

--- Makes the context of a listener.
---@param given table|nil {cert, key, passphrase, client_ca} or {certs = {…}, client_ca}
---@param url string for messages
---@return userdata|nil context
---@return string|nil message
---@return string|nil code
function tls.for_server(given, url)
  given = given or {}
  check_names(given, OF_LISTENER, "app:listen")
  site.expect(given.client_ca, "string or nil", "client_ca")
  local certs = read_certs(given)
  if not certs[1] then
    return nil, url .. ": https needs a certificate: --cert FILE and --key FILE, or the options "
      .. "cert and key", "tls"
  end
  local context, message, code = core.tls_context {
    role = "server", certs = certs, ca = given.client_ca,
  }
  if not context then return nil, ("%s: %s"):format(url, message), code end
  warn_of_expired(context, certs)
  return context
end

local function reload_one(listener, secured)
  local context, message, code = tls.for_server(secured.given, secured.url)
  if not context then return nil, message, code end
  local is_set
  is_set, message, code = listener:set_tls(context)
  context:close()
  return is_set, message, code
end

--- Loads the certificates of an app's listeners again. A listener whose files
--- are wrong keeps what it has.
---@param app table
---@return boolean|nil ok
---@return string|nil message of the last that failed
---@return string|nil code
function tls.reload(app)
  local failure, why
  for listener, secured in pairs(app.secured) do
    local ok, message, code = reload_one(listener, secured)
    if not ok and code ~= "closed" then
      failure, why = message, code
      log.error("the certificates stay as they were: " .. message)
    end
  end
  if failure then return nil, failure, why end
  if next(app.secured) then log.info "certificates loaded again" end
  return true
end

return tls
