-- Clients that others wrote.
local server = require "spec.support.server"

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

  it("satisfies ws of npm", function()
    local command = "node spec/support/echo_client.js "
    assert.equal("ok\n", run(command .. running.url .. "/"))
  end)
end)
