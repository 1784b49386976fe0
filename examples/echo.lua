-- Sends back what comes: text as text, binary as binary.
local neap = require "neap"

local app = neap.app {}

app:ws("/", {
  message = function(_, data) return data end,
})

return app
