-- The events of a server, as a browser's own EventSource follows them.
local browser = require "spec.support.browser"
local server = require "spec.support.server"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app()
app:get("/", function(req)
  return req:html "<p id=log></p><script>const es = new EventSource('/events');\
es.addEventListener('tick', e => log.textContent += e.lastEventId + '=' + e.data + ' ');</script>"
end)
app:get("/events", function(req)
  return req:events(function(events)
    local from = tonumber(events.last_id or 0)
    events:send{retry = 0.05}
    for i = from + 1, from + 2 do
      events:send{event = "tick", id = tostring(i), data = "line " .. i .. "\nand more"}
    end
    if from >= 4 then events:wait_closed() end
  end)
end)
return app
]]

describe("a browser's EventSource", function()
  it("follows events, and goes on behind the last one when the stream has ended", function()
    local running <close> = server.start(SCRIPT)
    local chrome <close> = browser.start()
    chrome:window()
    chrome:open(("http://127.0.0.1:%d/"):format(running.port))
    chrome:wait("six events", function(b) return b:text("#log"):find "6=line 6" end)
    assert.matches("^1=line 1 and more 2=line 2 and more 3=.* 6=line 6 and more$",
      (chrome:text("#log"):gsub("%s+", " ")))
  end)
end)
