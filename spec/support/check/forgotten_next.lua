local neap = require "neap"

local app = neap.app {}

app:use("auth", function(req)
  if not req:header "authorization" then return req:reject(401) end
end)
app:get("/", function() return "never seen" end)

return app
