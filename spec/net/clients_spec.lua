-- Clients that others wrote, and many at once.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local function run(command)
  local pipe <close> = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  return pipe:read "a"
end

describe("an echo", function()
  local running

  setup(function() running = server.start "examples/echo.lua" end)
  teardown(function() running:stop() end)

  it("satisfies python-websockets", function()
    local command = "/usr/bin/python3 spec/support/echo_client.py "
    assert.equal("ok\n", run(command .. running.url .. "/"))
  end)

  it("serves 64 connections at once, in turn and each in its order", function()
    local peers = {}
    for i = 1, 64 do peers[i] = assert(ws.connect(running.port, "/")) end
    for round = 1, 20 do
      for i, peer in ipairs(peers) do peer:send(("%d of %d"):format(round, i)) end
    end
    for i, peer in ipairs(peers) do
      for round = 1, 20 do
        assert.equal(("%d of %d"):format(round, i), peer:receive(5))
      end
      peer:close()
    end
  end)

  it("sends its Close and the end of its TCP in one packet", function()
    local command = "/usr/bin/python3 spec/support/last_packets.py "
    assert.equal("1\n", run(command .. running.port))
  end)

  it("satisfies ws of npm", function()
    local command = "node spec/support/echo_client.js "
    assert.equal("ok\n", run(command .. running.url .. "/"))
  end)
end)
