-- What the bench runs: an echo on /, a feed with its publisher, and topics by the
-- thousand, each with one subscriber, of which each message goes to the next.
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

local function name_topics(req)
  local names = { last = 0 }
  for i = 1, assert(tonumber(req.params.count)) do names[i] = "topic:" .. i end
  return names
end

app:ws("/topics/:count", {
  accept = name_topics,
  open = function(conn)
    for _, name in ipairs(conn.data) do assert(conn:subscribe(name)) end
  end,
})

app:ws("/topics/:count/publish", {
  accept = name_topics,
  message = function(conn, data, kind)
    local names = conn.data
    names.last = names.last % #names + 1
    app:publish(names[names.last], data, kind)
  end,
})

return app
