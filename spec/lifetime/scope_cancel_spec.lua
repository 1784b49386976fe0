local core = require "neap.core"
local fair = require "spec.support.fair"
local life = require "spec.support.life"
local neap = require "neap"

local function code_of(...)
  assert.equal(3, select("#", ...))
  assert.is_nil((...))
  return (select(3, ...))
end

describe("cancelling a scope", function()
  it("wakes the waits, runs on_cancel once, and ends nothing else", function()
    life.run(function()
      local reasons, answer, ticks, closed = {}, nil, 0, false
      local scope = neap.scope()
      scope:spawn(function() answer = code_of(neap.sleep(60)) end)
      scope:own { close = function() closed = true end }
      scope:every(0.01, function() ticks = ticks + 1 end)
      scope:on_cancel(function(reason) reasons[#reasons + 1] = reason end)
      scope:on_cancel(function() error("ignored", 0) end):close()
      neap.sleep(0)
      assert.is_false(scope:cancelled())
      scope:cancel "enough"
      scope:cancel "again"
      assert.equal("enough", scope:cancelled())
      assert.same({ "enough" }, reasons)
      life.wait_until(function() return ticks > 1 end)
      assert.equal("cancelled", answer)
      assert.is_false(closed)
      assert.truthy(scope:child())
      scope:close()
      assert.is_true(closed)
      assert.same({ "enough" }, reasons)
    end)
  end)

  it("reaches the scopes below it, waits before hooks", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      local child = scope:child()
      child:spawn(function() neap.sleep(60); list[#list + 1] = "task" end)
      child:on_cancel(function(reason) list[#list + 1] = reason end)
      scope:on_cancel(function() neap.sleep(0.02); list[#list + 1] = "slow hook" end)
      neap.sleep(0)
      scope:cancel "why"
      assert.same({ "task", "slow hook", "why" }, list)
      assert.equal("why", child:cancelled())
      assert.equal("why", scope:child():cancelled())
      scope:close()
    end)
  end)

  it("cancels the tasks that are started in it later", function()
    life.run(function()
      local answer
      local scope = neap.scope()
      scope:cancel()
      assert.equal("cancelled", scope:cancelled())
      scope:spawn(function() answer = code_of(neap.sleep(60)) end)
      neap.sleep(0.01)
      assert.equal("cancelled", answer)
      scope:close()
    end)
  end)

  it("is part of a close, which goes on when a hook of it waits", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      scope:on_cancel(function(reason) neap.sleep(0.03); list[#list + 1] = reason end)
      scope:defer(function() list[#list + 1] = "deferred" end)
      neap.spawn(function() scope:close() end)
      life.wait_until(function() return #list == 2 end)
      assert.same({ "deferred", "closed" }, list)
    end)
  end)
end)

describe("timeouts.cancel", function()
  it("is what a task gets that does not wait again", function()
    life.run(function()
      local ended, fairly
      local scope = neap.scope { cancel_timeout = 0.1 }
      scope:spawn(function()
        local _ <close> = setmetatable({}, {
          __close = function() ended, fairly = neap.now(), fair.now() end,
        })
        while true do coroutine.yield() end
      end)
      neap.sleep(0)
      local began, fair_began = neap.now(), fair.now()
      scope:close()
      assert.is_true(ended - began >= 0.09 and fairly - fair_began < 3)
    end)
  end)

  it("counts once for all that a scope holds, however deep", function()
    life.run(function()
      local scope = neap.scope { cancel_timeout = 0.1 }
      local at = scope
      for _ = 1, 50 do
        at:spawn(function() while true do coroutine.yield() end end)
        at = at:child()
      end
      neap.sleep(0)
      local began = neap.now()
      scope:close()
      assert.is_true(neap.now() - began < 2.5)
    end)
  end)

  it("starts at the close, not at a cancel before it", function()
    life.run(function()
      local finished
      local scope = neap.scope { cancel_timeout = 0.2 }
      core.hold_clock(true)
      scope:cancel()
      core.advance(0.25)
      scope:spawn(function()
        for _ = 1, 20 do coroutine.yield() end
        finished = true
      end)
      scope:close()
      core.hold_clock(false)
      assert.is_true(finished)
    end)
  end)

  it("comes from the app's options", function()
    life.run(function(world)
      world:ws("/", function() while true do coroutine.yield() end end)
      local client = world:connect "/"
      neap.sleep(0.02)
      local began = fair.now()
      client:close()
      client:wait_closed(10)
      life.wait_until(function() return core.counts().task.live <= 2 end)
      assert.is_true(fair.now() - began < 3)
    end, { timeouts = { cancel = 0.1 } })
  end)
end)

describe("shield", function()
  it("lets a section finish before cancellation is told", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      scope:spawn(function()
        local a, b = scope:shield(1, function() return neap.sleep(0.05), "done" end)
        list = { a, b, code_of(neap.sleep(60)) }
      end)
      neap.sleep(0)
      scope:cancel()
      scope:close()
      assert.same({ true, "done", "cancelled" }, list)
    end)
  end)

  it("holds for its time and no longer", function()
    life.run(function()
      local code, scope = nil, neap.scope()
      scope:spawn(function()
        scope:shield(0.05, function() code = code_of(neap.sleep(60)) end)
      end)
      neap.sleep(0)
      local began = fair.now()
      scope:cancel()
      life.wait_until(function() return code end)
      assert.equal("cancelled", code)
      assert.is_true(fair.now() - began < 5)
      scope:close()
    end)
  end)

  it("outlasts timeouts.cancel, and may be nested", function()
    life.run(function()
      local finished
      local scope = neap.scope { cancel_timeout = 0.05 }
      scope:spawn(function()
        scope:shield(2, function()
          scope:shield(0.01, function() neap.sleep(0) end)
          neap.sleep(0.2)
          finished = true
        end)
      end)
      neap.sleep(0)
      scope:close()
      assert.is_true(finished)
    end)
  end)

  it("lets an error pass with its traceback, and is off then", function()
    life.run(function()
      local code, err
      local scope = neap.scope()
      scope:spawn(function()
        local ok
        ok, err = xpcall(scope.shield, debug.traceback, scope, 1, function() error "inside" end)
        assert(not ok)
        code = code_of(neap.sleep(60))
      end)
      neap.sleep(0)
      scope:close()
      assert.equal("cancelled", code)
      assert.truthy(err:find("inside.*_spec%.lua"))
    end)
  end)

  it("is where a cancelled task can still wait", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      scope:spawn(function()
        list[1] = code_of(neap.sleep(60))
        list[2] = scope:shield(1, function() return neap.sleep(0.02) end)
        list[3] = neap.sleep(60)
        list[4] = "never"
      end)
      neap.sleep(0)
      scope:close()
      assert.same({ "cancelled", true }, list)
    end)
  end)
end)
