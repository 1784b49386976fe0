-- The bench's echo for lua-websockets, in Lua 5.1: lua_websockets.lua PORT. It
-- hands over no path, so that there is no feed.
local copas = require "copas"

require("websocket.server").copas.listen {
  interface = "127.0.0.1",
  port = tonumber(arg[1]),
  on_error = function() end, -- a connection that went away
  default = function(socket)
    while true do
      local data, opcode = socket:receive()
      if not data then return end
      socket:send(data, opcode)
    end
  end,
}

copas.loop()
