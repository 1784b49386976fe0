local neap = require "neap"

local api = neap.app {}
api:get("/users/:id", function() return "from the api" end)

local app = neap.app {}
app:get("/api/users/:name", function() return "from the app" end)
app:mount("/api", api)

return app
