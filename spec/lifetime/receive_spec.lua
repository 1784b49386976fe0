-- What becomes of a task that waits for a message.

local core = require "neap.core"
local life = require "spec.support.life"
local matrix_peer = require "spec.support.matrix_peer"
local neap = require "neap"

local function code_of(...)
  return (select(3, ...))
end

-- A connection of the route, and the mute peer that opened it.
local function open(world)
  local conn
  world:ws("/", { open = function(opened) conn = opened end })
  local peer = matrix_peer.dial(world:port())
  peer.answers = false
  peer:ask "/"
  life.wait_until(function() peer:pump(); return conn and peer.status == 101 end)
  return conn, peer
end

describe("receive", function()
  it("leaves its place to another task when it has timed out", function()
    life.run(function(world)
      local conn, peer = open(world)
      local codes, got = {}, nil
      codes[1] = code_of(conn:receive(0.01))
      neap.spawn(function() got = conn:receive() end)
      neap.sleep(0.01)          -- the first task waits elsewhere, and is woken there
      codes[2] = code_of(conn:receive(0.01))
      peer:frame(1, "for the second")
      life.wait_until(function() return got end, "the message")
      assert.same({ "timeout", "busy" }, codes)
      assert.equal("for the second", got)
      peer:close()
    end)
  end)

  it("leaves its place when its task is cancelled or killed", function()
    life.run(function(world)
      local conn, peer = open(world)
      local scope, got = neap.scope(), nil
      scope:spawn(function() conn:receive(); neap.sleep(60) end)
      neap.sleep(0)
      scope:close()
      local killed = neap.spawn(function() conn:receive() end)
      neap.sleep(0)
      core.kill(killed.task)
      neap.sleep(0.01)
      neap.spawn(function() got = conn:receive() end)
      neap.sleep(0)
      peer:frame(1, "for the third")
      life.wait_until(function() return got end, "the message")
      assert.equal("for the third", got)
      peer:close()
    end)
  end)

  it("is answered when the closing begins, not when the peer answers it", function()
    life.run(function(world)
      local conn, peer = open(world)
      local code, state
      neap.spawn(function()
        code = code_of(conn:receive())
        state = conn.state
      end)
      neap.sleep(0)
      conn:close()
      life.wait_until(function() return code end, "the answer")
      assert.same({ "closed", "closing" }, { code, state })
      peer:close()
    end)
  end)
end)
