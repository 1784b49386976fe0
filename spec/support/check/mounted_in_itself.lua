local neap = require "neap"

local app, admin = neap.app {}, neap.app {}
app:mount("/admin", admin)
admin:mount("/app", app)

return app
