local neap = require "neap"

local app = neap.app {}

app:any("/status", function() return "up" end)
app:get("/status", function() return "up, and in detail" end)

os.exit(app:run { listen = "http://127.0.0.1:0" })
