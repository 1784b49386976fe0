-- One connection to a feed elsewhere, passed on to everybody here. The feed may
-- go away and come back; who listens here need not know.
--
--   neap examples/relay.lua -- wss://example.org/feed
local neap = require "neap"

local app = neap.app {}

app:ws("/", {
  open = function(conn) conn:subscribe "feed" end,
})

app:service {
  name = "feed",
  start = function(scope)
    neap.client {
      url = arg[1] or "ws://127.0.0.1:8081/",
      scope = scope,
      on_up = function(conn) conn:send '{"subscribe":"all"}' end,
      on_message = function(data, kind) app:publish("feed", data, kind) end,
    }
  end,
}

return app
