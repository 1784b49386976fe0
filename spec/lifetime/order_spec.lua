-- In which order the callbacks of a connection come, however short its life.

local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

describe("a connection whose peer has gone when it opens", function()
  local function play(leave)
    local told = {}
    neap.run(function()
      local app = neap.app()
      local world
      app:ws("/", {
        accept = function()
          neap.sleep(0.01)
          leave(world)
          return true
        end,
        open = function() told[#told + 1] = "open" end,
        close = function(_, why) told[#told + 1] = "close " .. why.cause end,
      })
      world = test.serve(app)
      assert.is_nil((world:connect "/"))
      test.clock:advance(1)
      world:close()
    end)
    life.check_census()
    return told
  end

  it("opens, and then closes", function()
    assert.same({ "open", "close reset" }, play(function(world) world:cut "reset" end))
  end)
end)
