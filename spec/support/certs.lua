-- Certificates for specs, made with the openssl command: an authority, and what
-- it has signed, each in a file of its own.
--
--   local certs <close> = certs_of.new()
--   certs.ca                                     the authority's file
--   local file, key = certs:make("good", {names = "DNS:localhost,IP:127.0.0.1"})

local certs_methods = {}
local certs_mt = { __index = certs_methods }
local certs = {}

local function run(command)
  local pipe <close> = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1; echo $?"))
  local output = pipe:read "a"
  assert(output:match "(%d+)\n$" == "0", command .. "\n" .. output)
end

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

--- Makes a directory with an authority in it.
function certs.new()
  local dir = os.tmpname()
  os.remove(dir)
  run("mkdir " .. dir)
  local self = setmetatable({ dir = dir, ca = dir .. "/ca.pem", serial = 1 }, certs_mt)
  run(("openssl req -x509 %s -days 30 -subj /CN=authority -keyout %s/ca.key -out %s"):format(
    KEY, dir, self.ca))
  return self
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

--- Makes a certificate. Options: names (its subjectAltName), subject, purpose
--- (extendedKeyUsage), days (-1: expired), by (the name of another that
--- signs it), is_ca, self_signed, passphrase.
function certs_methods:make(name, options)
  options = options or {}
  local base = self.dir .. "/" .. name
  local lines = { "basicConstraints=critical,CA:" .. (options.is_ca and "TRUE" or "FALSE") }
  if options.names then lines[#lines + 1] = "subjectAltName=" .. options.names end
  if options.purpose then lines[#lines + 1] = "extendedKeyUsage=" .. options.purpose end
  write(base .. ".ext", table.concat(lines, "\n") .. "\n")
  run(("openssl req %s -subj '%s' -keyout %s.key -out %s.csr"):format(
    KEY, options.subject or "/CN=" .. name, base, base))
  local by = self.dir .. "/" .. (options.by or "ca")
  local signer = options.self_signed and ("-signkey %s.key"):format(base)
    or ("-CA %s.pem -CAkey %s.key -set_serial %d"):format(by, by, self.serial)
  self.serial = self.serial + 1
  run(("openssl x509 -req -in %s.csr %s -days %d -extfile %s.ext -out %s.pem"):format(
    base, signer, options.days or 30, base, base))
  if options.passphrase then
    run(("openssl pkey -in %s.key -aes256 -passout pass:%s -out %s.locked"):format(
      base, options.passphrase, base))
    return base .. ".pem", base .. ".locked"
  end
  return base .. ".pem", base .. ".key"
end

--- A file that holds others, one after another.
function certs_methods:join(name, ...)
  local texts = {}
  for _, path in ipairs { ... } do
    local file <close> = assert(io.open(path))
    texts[#texts + 1] = file:read "a"
  end
  local path = self.dir .. "/" .. name .. ".pem"
  write(path, table.concat(texts))
  return path
end

function certs_methods:remove()
  run("rm -r " .. self.dir)
end

certs_mt.__close = certs_methods.remove

return certs
