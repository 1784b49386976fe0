local neap = require "neap"

local app = neap.app { limits = { message = "64K" } }

app:use("auth", function(req, next) return next(req) end)
app:ws("/chat/:room", { protocols = { "chat.v1" } }, function(conn) conn:close() end)
app:get("/chat/:room", function() return "page" end)

return app
