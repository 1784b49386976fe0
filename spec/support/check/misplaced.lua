local neap = require "neap"
local m = neap.middleware

local app = neap.app { limits = { per_ip = 100 } }

app:use(m.access_log())
app:use(m.real_ip { trusted = { "loopback" } })
app:use(m.basic_auth { users = { anna = "secret" } })
app:use(m.cors { origins = { "https://app.example.org" } })
app:get("/", function() return "page" end)

return app
