local life = require "spec.support.life"
local neap = require "neap"

describe("a mounted app", function()
  it("ends with the app that holds it, before what that had earlier", function()
    local ended = {}
    local function note(name) return function() ended[#ended + 1] = name end end
    life.run(function(world)
      local inner = neap.app()
      world.app:defer(note "outer, before")
      inner:defer(note "inner")
      inner:every(0.01, note "tick")
      inner:spawn(function()
        neap.sleep(60)
        note "task"()
      end)
      inner:ws("/", { message = function(_, data) return data end })
      world.app:mount("/in", inner)
      world.app:defer(note "outer, after")
      local conn = world:connect "/in"
      conn:send "x"
      assert.equal("x", conn:receive())
      life.wait_until(function() return ended[1] == "tick" end)
      for i in ipairs(ended) do ended[i] = nil end
    end)
    local order = table.concat(ended, ", "):gsub("tick, ", "")
    -- The task is woken first of all, and may note it while a connection ends.
    local others = order:gsub("task, ", "")
    assert.equal("outer, after, inner, outer, before", others)
    assert.matches("task,.* inner", order)
  end)

  it("owns the requests of its routes", function()
    life.run(function(world)
      local inner = neap.app()
      local seen
      inner:ws("/", { accept = function(req)
        seen = req.scope.parent == inner.scope
        return true
      end, message = function() end })
      world.app:mount("/in", inner)
      world:connect "/in"
      assert.is_true(seen)
    end)
  end)
end)
