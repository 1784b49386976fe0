local neap = require "neap"

local app = neap.app {
  timeouts = { ping = 120, drain = 120, handshake = 0 },
  limits = { message = 0, body = 0 },
}

app:ws("/open", { origins = "any" }, function(conn) conn:close() end)
app:use("auth", function(req, next) return next(req) end)
app:ws("/closed", { timeouts = { write = 0 } }, function(conn) conn:close() end)
app:get("/", function() return "page" end)
app:mount("/api", neap.app { limits = { per_ip = 5 } })

return app
