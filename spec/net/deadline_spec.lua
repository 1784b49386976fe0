-- Deadlines of many lengths, on a clock that stands unless it is moved.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

local function turn()
  for _ = 1, 5 do neap.sleep(0) end
end

local function advance(seconds)
  core.advance(seconds)
  turn()
end

-- The clock goes on before the world ends, which may wait for it.
local function play(fn)
  local ok, err
  neap.run(function()
    local app = neap.app()
    app:ws("/", {})
    local world <close> = test.serve(app)
    core.hold_clock(true)
    ok, err = pcall(fn, world)
    core.hold_clock(false)
    world:cut "reset"
  end)
  if not ok then error(err, 0) end
  life.check_census()
end

local function connect(world, close)
  return assert(world:connect("/", { timeouts = { ping = 0, close = close } }))
end

describe("a deadline", function()
  it("acts before those that are due later, whichever length is older", function()
    play(function(world)
      local long, short, ended = connect(world, 4), connect(world, 1.5), {}
      long:defer(function() ended[#ended + 1] = "long" end)
      short:defer(function() ended[#ended + 1] = "short" end)
      world:cut "silence"
      long:close()
      advance(2)
      short:close()
      turn()
      advance(10)
      assert.same({ "short", "long" }, ended)
    end)
  end)

  -- The peer says Close, and never ends the stream.
  local function close_halfway(world, close, after)
    local conn = connect(world, close)
    local pipe = world.pipes[#world.pipes]
    pipe:cut("silence", pipe:writes() + 2)
    pipe:hold("client", true)
    conn:close()
    turn()
    advance(after)
    pipe:hold("client", false)
    turn()
    assert.equal("closing", conn.state)
    return conn
  end

  it("of the close bounds the wait for the end, however many have waited", function()
    play(function(world)
      for i = 0, 12 do
        local conn = close_halfway(world, 1.5, i / 10)
        advance(1.5 - i / 10 - 0.01)
        assert.equal("closing", conn.state)
        advance(0.02)
        assert.equal("closed", conn.state, ("after %g s"):format(i / 10))
      end
    end)
  end)
end)
