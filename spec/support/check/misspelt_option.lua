local neap = require "neap"

local app = neap.app {}
app:ws("/", { limits = { mesage = "64K" }, message = function() end })

return app
