-- Serves wss:// with a certificate for localhost, which it makes at first start.
--
--   ./script/run examples/tls.lua          then open https://127.0.0.1:8443
local neap = require "neap"

local here = arg[0]:match "^(.*/)" or "./"
local cert, key = here .. "localhost.pem", here .. "localhost.key"
assert(neap.tls.self_signed { cert = cert, key = key })

local app = neap.app {}

app:get("/", function(req)
  return ("You came by %s, with %s.\n"):format(req.tls.version, req.tls.cipher)
end)

app:ws("/", {
  open = function(conn, req) conn:send("welcome to " .. req.tls.version) end,
  message = function(_, data) return data end,
})

app:ws("/client", function(conn)
  -- Another program would take the certificate as its authority in the same way.
  local port = conn:receive()
  local other = assert(neap.connect(("wss://localhost:%d/"):format(port), { ca = cert }))
  conn:own(other)
  conn:send(other:receive())
end)

os.exit(app:run { listen = "https://127.0.0.1:8443", cert = cert, key = key }, true)
