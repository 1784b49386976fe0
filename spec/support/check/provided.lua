local neap = require "neap"

local app = neap.app { timeouts = { drain = 5 } }
app:provide("pool", { lifetime = "singleton", make = function() return {} end })
app:provide("db", { lifetime = "scoped", needs = { "pool" }, make = function() return {} end })
app:service { name = "feed", needs = { "ticker" }, start = function() end }
app:service { name = "ticker", start = function() end }
app:get("/", function() return "hello" end)
return app
