-- What the bench runs: an echo on /, and a feed with its publisher.
local neap = require "neap"

local app = neap.app {
  limits = { message = "16M", queue = "64M" },
  deflate = false,
}

app:ws("/", {
  message = function(_, data) return data end,
})

app:ws("/feed", {
  open = function(conn) conn:subscribe "feed" end,
})

app:ws("/publish", {
  message = function(_, data, kind) app:publish("feed", data, kind) end,
})

return app
