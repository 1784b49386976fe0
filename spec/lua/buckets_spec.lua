local buckets = require "neap.middleware.buckets"

describe("buckets", function()
  it("give a burst, and then one per interval", function()
    local known = buckets.new(0.5, 3, 10)
    for _ = 1, 3 do assert.is_true((known:take("a", 100))) end
    local taken, wait = known:take("a", 100)
    assert.is_false(taken)
    assert.is_near(0.5, wait, 1e-6)
    assert.is_false((known:take("a", 100.4)))
    assert.is_true((known:take("a", 100.5)))
    assert.is_false((known:take("a", 100.5)))
  end)

  it("fill up again, and no further", function()
    local known = buckets.new(1, 2, 10)
    known:take("a", 0)
    known:take("a", 0)
    for _ = 1, 2 do assert.is_true((known:take("a", 1000))) end
    assert.is_false((known:take("a", 1000)))
  end)

  it("keep keys apart", function()
    local known = buckets.new(1, 1, 10)
    assert.is_true((known:take("a", 0)))
    assert.is_true((known:take("b", 0)))
    assert.is_false((known:take("a", 0)))
  end)

  it("remember so many keys, and forget the one that was quiet longest", function()
    local known = buckets.new(1, 1, 3)
    for _, key in ipairs { "a", "b", "c", "a", "d" } do known:take(key, 0) end
    assert.equal(3, known.count)
    assert.is_false((known:take("a", 0)))
    assert.is_false((known:take("c", 0)))
    assert.is_true((known:take("b", 0)))
  end)

  it("never hold more, whatever comes", function()
    local known, held = buckets.new(1, 1, 100), 0
    for i = 1, 10000 do known:take("k" .. i, i) end
    for _ in pairs(known.by_key) do held = held + 1 end
    assert.same({ 100, 100 }, { held, known.count })
    local at, linked = known.list.next, 0
    while at ~= known.list do at, linked = at.next, linked + 1 end
    assert.equal(100, linked)
    known:clear()
    assert.is_nil(next(known.by_key))
  end)
end)
