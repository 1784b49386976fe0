-- A peer that connects and leaves, in all the ways in which a script's own
-- client would not: churn_peer.lua PORT CYCLES. At the end it asks for /done.

local ws = require "spec.support.ws"

local port, cycles = math.tointeger(tonumber(arg[1])), math.tointeger(tonumber(arg[2]))

local ENDINGS = {
  function() -- a head that stops half-way
    local peer = ws.dial(port)
    peer:raw "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpg"
    return peer
  end,
  function() -- no upgrade at all
    local peer = ws.dial(port)
    peer:raw "GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    peer:read_head()
    return peer
  end,
  function() -- FIN, with no Close frame
    return ws.connect(port, "/")
  end,
  function() -- a reset
    local peer = ws.connect(port, "/task")
    peer.tcp:setoption("linger", { on = true, timeout = 0 })
    return peer
  end,
  function() -- half a frame, then FIN
    local peer = ws.connect(port, "/")
    peer:raw(ws.frame { opcode = ws.TEXT, payload = ("x"):rep(500) }:sub(1, 100))
    return peer
  end,
  function() -- a frame that is forbidden
    local peer = ws.connect(port, "/task")
    peer:raw(ws.frame { opcode = ws.TEXT, payload = "x", rsv = 7 })
    peer:read_close()
    return peer
  end,
  function() -- a Close frame, and no wait for the answer
    local peer = ws.connect(port, "/")
    peer:send_close(1000)
    return peer
  end,
  function() -- an unread answer
    local peer = ws.connect(port, "/")
    peer:send "hello"
    return peer
  end,
}

for i = 1, cycles do
  local peer = ENDINGS[i % #ENDINGS + 1]()
  peer:close()
end
ws.ask(port, "GET /done HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
