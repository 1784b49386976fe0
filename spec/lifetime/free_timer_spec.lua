-- Timers that belong to a script, and to no scope but that of the task that made
-- them.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local timers = require "neap.timer"

local function code_of(...)
  return (select(3, ...))
end

-- The state closes with none of them started.
local function check_anchors()
  assert.is_nil(next(timers.anchored))
end

describe("a free-standing timer", function()
  it("calls its function once, in a task that may wait", function()
    life.run(function()
      local calls, mine = 0, nil
      local timer <close> = neap.timer(function(self)
        neap.sleep(0.01)
        calls, mine = calls + 1, self
      end)
      assert.equal("neap.timer (stopped)", tostring(timer))
      assert.is_true(timer:start(0.01))
      assert.equal("neap.timer (started)", tostring(timer))
      life.wait_until(function() return calls > 0 end)
      neap.sleep(0.03)
      assert.equal(1, calls)
      assert.equal(timer, mine)
      assert.equal("neap.timer (stopped)", tostring(timer))
    end)
    check_anchors()
  end)

  it("calls it again and again, from the second time on every so often", function()
    life.run(function()
      local began, times = neap.now(), {}
      local timer <close> = neap.timer(function() times[#times + 1] = neap.now() - began end)
      timer:start(0, 0.04)
      life.wait_until(function() return #times >= 3 end)
      -- The loop counts whole milliseconds; a late first comes with the second.
      local third = times[3]
      assert.is_true(times[1] <= times[2] and third >= 0.078, third)
    end)
  end)

  it("never calls beside itself, and makes up for one moment at most", function()
    life.run(function()
      local calls, inside, most = 0, 0, 0
      local function work()
        inside = inside + 1
        most = math.max(most, inside)
        neap.sleep(0.03)
        inside, calls = inside - 1, calls + 1
      end
      local often <close> = neap.timer(work)
      often:start(0, 0.002)
      life.wait_until(function() return calls >= 3 end)
      often:close()
      life.wait_until(function() return inside == 0 end)
      calls = 0
      local again <close> = neap.timer(work)
      again:start(0)
      neap.sleep(0.005)
      again:start(0)
      life.wait_until(function() return calls == 2 end)
      assert.equal(1, most)
    end)
  end)

  it("starts anew, stops, and starts again", function()
    life.run(function()
      local calls = 0
      local timer <close> = neap.timer(function() calls = calls + 1 end)
      timer:start(60)
      timer:start(0.01)
      life.wait_until(function() return calls == 1 end)
      timer:start(0.01, 0.01)
      timer:stop()
      timer:stop()
      neap.sleep(0.04)
      assert.equal(1, calls)
      timer:start(0)
      life.wait_until(function() return calls == 2 end)
    end)
  end)

  it("goes on after an error, which is logged and ends nothing else", function()
    local calls, lives = 0, false
    local text = life.quietly(function()
      life.run(function()
        local timer <close> = neap.timer(function() calls = calls + 1; error "each time" end)
        timer:start(0, 0.005)
        neap.spawn(function() neap.sleep(0.02); lives = true end)
        life.wait_until(function() return calls >= 2 and lives end)
      end)
    end)
    assert.is_true(lives)
    assert.matches("error.-free_timer_spec.lua:%d+: each time", text)
  end)

  it("lets its function stop or close it", function()
    life.run(function()
      local ended = {}
      local one = neap.timer(function(self) self:stop(); neap.sleep(0); ended[1] = true end)
      local two = neap.timer(function(self) self:close(); neap.sleep(0); ended[2] = true end)
      one:start(0, 0.001)
      two:start(0, 0.001)
      life.wait_until(function() return ended[1] and ended[2] end)
      assert.equal("neap.timer (stopped)", tostring(one))
      assert.equal("neap.timer (closed)", tostring(two))
      one:close()
    end)
  end)

  it("raises at the script's line when it is misused", function()
    for message, misuse in pairs {
      ["argument must be a function"] = function() neap.timer(1) end,
      ["time must be a number"] = function() neap.timer(print):start() end,
      ["time must not be negative"] = function() neap.timer(print):start(-1) end,
      ["second time must be more than 0"] = function() neap.timer(print):start(1, 0) end,
      ["must be a finite time"] = function() neap.timer(print):start(math.huge) end,
    } do
      life.quietly(function()
        local ok, err = pcall(misuse)
        assert.is_false(ok)
        assert.matches("free_timer_spec.lua:%d+: .*" .. message, err)
        life.check_census()
      end)
    end
  end)
end)

describe("the life of a free-standing timer", function()
  it("ends at close, twice, and then it answers closed", function()
    life.run(function()
      local calls = 0
      local timer = neap.timer(function() calls = calls + 1 end)
      timer:start(0.005)
      timer:close()
      timer:close()
      timer:stop()
      assert.equal("closed", code_of(timer:start(0)))
      assert.equal("neap.timer (closed)", tostring(timer))
      neap.sleep(0.02)
      assert.equal(0, calls)
      assert.equal(0, core.counts().timer.live)
    end)
    check_anchors()
  end)

  it("ends with a <close> variable and with the scope that owns it", function()
    life.run(function()
      local scope, kept = neap.scope(), {}
      do
        local timer <close> = neap.timer(print)
        timer:start(60)
        kept.timer = timer
      end
      assert.equal("closed", code_of(kept.timer:start(0)))
      local owned = neap.timer(print)
      owned:start(60, 60)
      scope:own(owned)
      scope:close()
      assert.equal("closed", code_of(owned:start(0)))
    end)
    check_anchors()
  end)

  it("ends with the scope of the task that made it", function()
    life.run(function()
      local scope, calls, made = neap.scope(), 0, nil
      scope:spawn(function()
        made = neap.timer(function() calls = calls + 1 end)
        made:start(0.005, 0.005)
      end)
      life.wait_until(function() return calls > 0 end)
      scope:close()
      assert.equal("closed", code_of(made:start(0)))
    end)
    check_anchors()
  end)

  it("ends a call that waits, when it is closed elsewhere", function()
    life.run(function()
      local code, closed
      local timer = neap.timer(function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        code = code_of(neap.sleep(60))
      end)
      timer:start(0)
      life.wait_until(function() return timer.run end)
      neap.sleep(0.005)
      timer:close()
      assert.same({ "cancelled", true }, { code, closed })
    end)
    check_anchors()
  end)

  it("goes on while it is started, though its handle is dropped", function()
    life.run(function()
      local calls, inside = 0, false
      life.forget(function()
        neap.timer(function(self)
          inside = true
          neap.sleep(0.01)
          calls, inside = calls + 1, false
          if calls == 3 then self:close() end
        end):start(0, 0.005)
      end)
      life.wait_until(function()
        life.collect()
        return calls == 3
      end)
      assert.is_false(inside)
    end)
    check_anchors()
  end)

  it("is ended, counted and reported when it is dropped and not started", function()
    local before, line, after = core.abandoned(), nil, nil
    local text = life.quietly(function()
      life.run(function()
        life.forget(function()
          local timer
          timer = neap.timer(function() return timer end)
          line = debug.getinfo(1, "l").currentline - 1
          timer:start(60)
          timer:stop()
        end)
        life.wait_until(function()
          life.collect()
          return core.counts().timer.live == 0
        end)
        neap.sleep(0.01)
        after = neap.census().abandoned
      end)
    end)
    assert.matches(("warn leak: timer opened at spec/lifetime/free_timer_spec.lua:%d, open 0s")
      :format(line), text, 1, true)
    assert.equal(before + 1, after)
    assert.equal(before + 1, (core.abandoned()))
  end)

  it("is no leak when it was dropped and has done its work", function()
    local before, calls = core.abandoned(), 0
    local text = life.quietly(function()
      life.run(function()
        life.forget(function() neap.timer(function() calls = calls + 1 end):start(0) end)
        life.wait_until(function() return calls == 1 end)
      end)
    end)
    assert.equal("", text)
    assert.equal(before, (core.abandoned()))
  end)

  it("ends with a state that is closed, whatever it is at", function()
    local status, output = life.die [[
      local neap = require "neap"
      kept = { neap.timer(print), neap.timer(print) }
      kept[2]:start(60, 60)
      neap.run(function()
        neap.timer(print)
        neap.timer(print):start(60)
        neap.timer(function() neap.sleep(60) end):start(0)
        neap.sleep(0.01)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
    assert.is_nil(output:find "leak", output)
  end)
end)
