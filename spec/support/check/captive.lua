local neap = require "neap"

local app = neap.app {}
app:provide("session", { lifetime = "scoped", make = function() return {} end })
app:provide("hub", {
  lifetime = "singleton", needs = { "session" }, make = function() return {} end,
})
return app
