-- The time, pushed to everyone once a second. Open the page and watch.
local neap = require "neap"

local PAGE = [[
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>clock</title>
<h1 role="timer" style="font: 20vw monospace; text-align: center">–</h1>
<script>
  const face = document.querySelector("h1");
  const socket = new WebSocket(location.href.replace(/^http/, "ws"));
  socket.onmessage = (event) => { face.textContent = event.data; };
  socket.onclose = () => { face.textContent = "stopped"; };
</script>
</html>
]]

local app = neap.app {}

app:get("/", function(req) return req:html(PAGE) end)

app:ws("/", {
  open = function(conn)
    conn:subscribe "clock"
    conn:send(os.date "%H:%M:%S")
  end,
})

app:every(1, function()
  app:publish("clock", os.date "%H:%M:%S")
end)

return app
