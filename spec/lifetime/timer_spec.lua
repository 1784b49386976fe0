local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local function code_of(...)
  return (select(3, ...))
end

describe("after", function()
  it("calls once, in a task that may wait, and its timer is gone then", function()
    life.run(function()
      local scope, calls = neap.scope(), 0
      local handle = scope:after(0.01, function()
        neap.sleep(0.01)
        calls = calls + 1
      end)
      life.wait_until(function() return calls > 0 end)
      neap.sleep(0.03)
      assert.equal(1, calls)
      assert.equal("neap.timer (closed)", tostring(handle))
      assert.equal(0, core.counts().timer.live)
      scope:close()
    end)
  end)

  it("calls in a later turn, though the time is 0", function()
    life.run(function()
      local scope, called = neap.scope(), false
      scope:after(0, function() called = true end)
      assert.is_false(called)
      neap.sleep(0.01)
      assert.is_true(called)
      scope:close()
    end)
  end)
end)

describe("every", function()
  it("calls again and again, and never beside itself", function()
    life.run(function()
      local scope, calls, inside = neap.scope(), 0, 0
      scope:every(0.005, function()
        inside = inside + 1
        assert(inside == 1)
        neap.sleep(0.02)
        inside = inside - 1
        calls = calls + 1
      end)
      local began = neap.now()
      life.wait_until(function() return calls >= 3 end)
      assert.is_true(neap.now() - began >= 0.06)
      scope:close()
    end)
  end)

  it("keeps its rate, and leaves out the moments that have passed", function()
    life.run(function()
      local scope, calls = neap.scope(), 0
      scope:every(0.01, function() calls = calls + 1 end)
      local until_then = neap.now() + 0.1
      while neap.now() < until_then do end
      neap.sleep(0.025)
      assert.is_true(neap.now() - until_then >= 0.023)
      life.wait_until(function() return calls >= 2 end)
      assert.is_true(calls <= (neap.now() - until_then) / 0.01 + 2)
      scope:close()
    end)
  end)

  it("goes on after a call that failed, when its scope does", function()
    life.run(function()
      local errors = 0
      local scope = neap.scope { on_error = function() errors = errors + 1 end }
      scope:every(0.01, function() error "each time" end)
      life.wait_until(function() return errors >= 2 end)
      scope:close()
    end)
  end)
end)

describe("a timer's handle", function()
  it("stops it when it is closed, twice, or by a <close> variable", function()
    life.run(function()
      local scope, calls = neap.scope(), 0
      local function count() calls = calls + 1 end
      local handle = scope:every(0.01, count)
      handle:close()
      handle:close()
      do local _ <close> = scope:after(0.01, count) end
      neap.sleep(0.04)
      assert.equal(0, calls)
      assert.is_nil(scope.last)
      scope:close()
    end)
  end)

  it("may be closed in its own callback", function()
    life.run(function()
      local scope, calls, handle = neap.scope(), 0, nil
      handle = scope:every(0.01, function() calls = calls + 1; handle:close() end)
      neap.sleep(0.05)
      assert.equal(1, calls)
      scope:close()
    end)
  end)

  it("may be dropped: the timer is its scope's, and ends with that", function()
    life.run(function()
      local scope, calls = neap.scope(), 0
      life.forget(function() scope:every(0.01, function() calls = calls + 1 end) end)
      life.wait_until(function() life.collect(); return calls >= 2 end)
      scope:close()
      local before = calls
      neap.sleep(0.03)
      assert.equal(before, calls)
    end)
  end)

  it("is garbage with a scope that mentions it", function()
    life.run(function()
      life.forget(function()
        local scope, handle = neap.scope { within = {} }
        handle = scope:every(60, function() return handle, scope end)
      end)
      life.wait_until(function()
        life.collect()
        return core.counts().timer.live == 0
      end)
    end)
  end)

  it("lets a running call go on, which its scope ends", function()
    life.run(function()
      local scope, code = neap.scope(), nil
      local handle = scope:after(0, function() code = code_of(neap.sleep(60)) end)
      neap.sleep(0.01)
      handle:close()
      assert.is_nil(code)
      scope:close()
      assert.equal("cancelled", code)
    end)
  end)
end)

describe("the core's timer", function()
  it("answers closed after its close", function()
    life.run(function()
      local fired = 0
      local timer = core.timer(function() fired = fired + 1 end)
      assert(timer:start(0.01))
      timer:close()
      timer:close()
      assert.equal("closed", code_of(timer:start(0.01)))
      do
        local other <close> = core.timer(function() fired = fired + 1 end)
        other:start(0)
      end
      neap.sleep(0.03)
      assert.equal(0, fired)
    end)
  end)

  it("is closed when it is dropped, started or not", function()
    life.run(function()
      life.forget(function()
        core.timer(print)
        core.timer(print):start(60)
      end)
      life.collect()
      assert.equal(0, core.counts().timer.live)
    end)
  end)

  it("may close itself, and may fail, in its callback", function()
    life.run(function()
      local fired, timer = 0
      timer = core.timer(function(self)
        fired = fired + 1
        self:close()
        assert.equal(timer, self)
        error("on purpose", 0)
      end)
      timer:start(0)
      neap.sleep(0.02)
      assert.equal(1, fired)
    end)
  end)
end)

describe("timers of a state that is closed", function()
  it("leave nothing", function()
    local status, output = life.die [[
      local neap, core = require "neap", require "neap.core"
      kept = { core.timer(print), core.timer(print) }
      kept[2]:start(60)
      scope = neap.scope()
      scope:every(60, print)
      neap.run(function()
        neap.scope():after(60, print)
        neap.scope():every(0.001, function() neap.sleep(60) end)
        neap.sleep(0.01)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
  end)
end)

describe("timers of one moment", function()
  it("fire in the order in which they were started, whatever was stopped between", function()
    life.run(function()
      local scope, fired, others = neap.scope(), {}, {}
      core.hold_clock(true)
      for i = 1, 40 do
        scope:after(0.01, function() fired[#fired + 1] = i end)
        others[i] = scope:after(i % 3 / 100, function() end)
      end
      for i = 40, 1, -3 do others[i]:close() end
      core.advance(0.02)
      core.hold_clock(false)
      life.wait_until(function() return #fired == 40 end)
      for i = 1, 40 do assert.equal(i, fired[i]) end
      scope:close()
    end)
  end)
end)
