local backoff = require "neap.backoff"

describe("a backoff", function()
  it("doubles up to its most, and begins anew", function()
    local it_waits = backoff.new({ min = 1, max = 5, jitter = "none" }, "reconnect")
    local seconds = {}
    for i = 1, 5 do seconds[i] = it_waits:next() end
    assert.same({ 1, 2, 4, 5, 5 }, seconds)
    it_waits:reset()
    assert.equal(1, it_waits:next())
  end)

  it("waits for anything up to that, by chance", function()
    local least, most = math.huge, 0
    for _ = 1, 500 do
      local it_waits = backoff.new({ min = 2 }, "reconnect")
      it_waits:next()
      local seconds = it_waits:next()
      least, most = math.min(least, seconds), math.max(most, seconds)
    end
    assert.is_true(least < 0.5 and most > 3.5 and most <= 4, least .. " to " .. most)
  end)

  it("never overflows, however often it has failed", function()
    local it_waits = backoff.new({ jitter = "none" }, "reconnect")
    for _ = 1, 5000 do assert.is_true(it_waits:next() <= 30) end
  end)
end)
