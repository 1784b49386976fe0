local neap = require "neap"

local app = neap.app {}

app:static("/assets", "spec/support/check")
app:get("/assets/version", function() return "1" end)
app:static("/", "examples")
app:ws("/chat", function(conn) conn:close() end)

return app
