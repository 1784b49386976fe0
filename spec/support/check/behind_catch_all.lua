local neap = require "neap"

local app = neap.app {}

app:any("/*path", function() return "a page for every path" end)
app:use("auth", function(req, next) return next(req) end)
app:ws("/chat", function(conn) conn:close() end)

return app
