local core = require "neap.core"
local neap = require "neap"
local wait = require "neap.wait"

describe("a place where tasks wait", function()
  it("loses nobody whose waking fails for want of memory", function()
    neap.run(function()
      local place, got = wait.place(), nil
      neap.spawn(function() got = place:wait(10) end)
      neap.sleep(0)
      local wake = core.wake
      core.wake = function() error("not enough memory", 0) end
      local ok = pcall(place.wake_all, place, "late")
      core.wake = wake
      assert.is_false(ok)
      assert.is_false(place:is_empty())
      place:wake_all "late"
      neap.sleep(0)
      assert.equal("late", got)
    end)
  end)
end)
