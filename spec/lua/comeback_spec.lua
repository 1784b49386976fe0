local comeback = require "neap.comeback"

local function bounds(self, hint)
  local least, most = math.huge, 0
  for _ = 1, 200 do
    local seconds = self:next(hint)
    least, most = math.min(least, seconds), math.max(most, seconds)
  end
  return least, most
end

describe("a client that comes back", function()
  it("begins anew only after a connection that lasted", function()
    local self = comeback.new { min = 1, max = 64, jitter = "none", reset = 10 }
    for _ = 1, 3 do self:next() end
    self:was_up(9.9)
    assert.equal(8, self:next())
    self:was_up(10)
    assert.equal(1, self:next())
  end)

  it("stays away as long as the server says", function()
    local self = comeback.new { min = 1, max = 64 }
    local least, most = bounds(self, { after = 20 })
    assert.is_true(least >= 20 and most <= 21)
    least, most = bounds(self, { is_restart = true })
    assert.is_true(least >= 5 and most <= 30)
    least, most = bounds(self, { is_unwelcome = true })
    assert.is_true(least >= 32 and most <= 64)
    assert.is_true(self:next { after = 1e9 } <= 3601)
  end)

  it("refuses wrong options at the script's line", function()
    for _, wrong in ipairs {
      { minn = 1 }, { reset = "x" },
      { min = -1 }, { min = 5, max = 1 }, { jitter = "some" }, { max = 0 / 0 },
    } do
      local ok, message = pcall(comeback.new, wrong)
      assert.is_false(ok)
      assert.matches("^spec/lua/comeback_spec%.lua:%d+: .*reconnect", message)
    end
  end)
end)

describe("Retry-After", function()
  it("is seconds or a date", function()
    assert.equal(120, comeback.read_retry_after("120", 0))
    assert.equal(60, comeback.read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1445412420))
    assert.equal(0, comeback.read_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1709164801))
    assert.equal(1, comeback.read_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1709164799))
    assert.is_nil(comeback.read_retry_after("soon", 0))
    assert.is_nil(comeback.read_retry_after(nil, 0))
  end)
end)

describe("what a client makes of a refusal", function()
  it("is to stay away from one that its credentials will not change", function()
    for _, status in ipairs { 401, 403 } do
      assert.is_nil(comeback.judge_answer({ status = status }, false, 0))
      assert.is_true(comeback.judge_answer({ status = status }, true, 0).is_unwelcome)
    end
    assert.is_nil(comeback.judge_answer({ proxy_status = 407 }, true, 0))
  end)

  it("is to come back from all others, when it is told", function()
    assert.equal(7, comeback.judge_answer({ status = 503, ["retry-after"] = "7" }, false, 0).after)
    assert.same({}, comeback.judge_answer({ status = 404 }, false, 0))
    assert.same({}, comeback.judge_answer(nil, false, 0))
  end)
end)

describe("what a client makes of a close", function()
  local function judge(code, by)
    return comeback.judge_close { code = code, by = by or "peer" }
  end

  it("depends on the code that the server gave", function()
    for _, code in ipairs { 1000, 1001, 1006, 1011, 3000, 4000, 4499 } do
      assert.same({ is_restart = false, is_unwelcome = false }, judge(code))
    end
    assert.is_true(judge(1012).is_restart)
    assert.is_true(judge(1013).is_unwelcome and judge(1008).is_unwelcome)
    for _, code in ipairs { 4500, 4999 } do assert.is_nil(judge(code)) end
    assert.is_table(judge(4500, "local"))
  end)
end)
