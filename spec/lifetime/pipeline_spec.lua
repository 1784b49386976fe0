local life = require "spec.support.life"
local neap = require "neap"
local socket = require "socket"

local HEAD = table.concat({
  "GET / HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
  "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", "",
}, "\r\n")

describe("a request that waits in the pipeline", function()
  for name, leave in pairs {
    ["half-closes"] = function(peer) peer:shutdown "send" end,
    ["leaves"] = function(peer) peer:close() end,
    ["resets"] = function(peer)
      peer:setoption("linger", { on = true, timeout = 0 })
      peer:close()
    end,
  } do
    it("is cancelled when its peer " .. name, function()
      life.run(function(world)
        local answer, deferred, began
        world.app:use(function(req, next)
          began = true
          req:defer(function() deferred = true end)
          answer = { neap.sleep(30) }
          return next(req)
        end)
        world:ws("/", { open = function() end })
        local peer = assert(socket.connect("127.0.0.1", world:port()))
        peer:send(HEAD)
        life.wait_until(function() return began end)
        leave(peer)
        life.wait_until(function() return deferred end, "the request's scope to end")
        assert.equal("cancelled", answer[3])
        peer:close()
      end)
    end)
  end
end)
