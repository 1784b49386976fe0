local neap = require "neap"

local app = neap.app {}
app:get("/", function() return "hello" end)
