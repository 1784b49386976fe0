local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local function code_of(...)
  return (select(3, ...))
end

describe("a lock", function()
  it("lets one task in at a time, in the order of their asking", function()
    life.run(function()
      local lock, list, inside = neap.lock(), {}, 0
      for i = 1, 4 do
        neap.spawn(function()
          local _ <close> = assert(lock:acquire())
          inside = inside + 1
          assert(inside == 1)
          neap.sleep(0.005)
          list[#list + 1] = i
          inside = inside - 1
        end)
      end
      life.wait_until(function() return #list == 4 end)
      assert.same({ 1, 2, 3, 4 }, list)
      assert.equal("neap.lock (free)", tostring(lock))
    end)
  end)

  it("gives with(fn) what fn gives, and is free again when fn fails", function()
    life.run(function()
      local lock = neap.lock()
      assert.same({ 1, nil, 3 }, { lock:with(function(a) return a, nil, 3 end, 1) })
      assert.has_error(function() lock:with(function() error("inside", 0) end) end, "inside")
      local held = assert(lock:acquire(0))
      held:close()
      held:close()
    end)
  end)

  it("gives up at a time-out", function()
    life.run(function()
      local lock = neap.lock()
      local held, code = lock:acquire(), nil
      neap.spawn(function() code = code_of(lock:acquire(0.01)) end)
      life.wait_until(function() return code end)
      assert.equal("timeout", code)
      held:close()
      assert(lock:acquire(0)):close()
    end)
  end)

  it("answers busy to the task that has it already", function()
    life.run(function()
      local lock = neap.lock()
      local _ <close> = lock:acquire()
      assert.equal("busy", code_of(lock:acquire()))
    end)
  end)

  it("goes on to the next when the one that got it is closed first", function()
    life.run(function()
      local lock, got = neap.lock(), nil
      local held = lock:acquire()
      local first = neap.spawn(function() lock:acquire(); got = "the first" end)
      neap.sleep(0)
      neap.spawn(function() local _ <close> = lock:acquire(); got = "the second" end)
      neap.sleep(0)
      held:close()
      core.kill(first.task)
      neap.sleep(0.01)
      assert.equal("the second", got)
    end)
  end)
end)

describe("what a task has locked", function()
  for name, ending in pairs {
    returns = function() end,
    fails = function() error("on purpose", 0) end,
    ["is cancelled"] = function(scope) scope:cancel(); neap.sleep(60); neap.sleep(60) end,
  } do
    it("is free again when the task " .. name, function()
      life.run(function()
        local lock, scope = neap.lock(), neap.scope { on_error = function() end }
        scope:spawn(function()
          assert(lock:acquire())
          ending(scope)
        end)
        assert(lock:acquire(10)):close()
        scope:close()
      end)
    end)
  end

  it("stays locked while a cancelled task still works", function()
    life.run(function()
      local lock, scope, list = neap.lock(), neap.scope(), {}
      scope:spawn(function()
        assert(lock:acquire())
        scope:shield(1, function() neap.sleep(0.05) end)
        list[#list + 1] = "worked"
      end)
      neap.sleep(0)
      neap.spawn(function() local _ <close> = lock:acquire(); list[#list + 1] = "next" end)
      neap.sleep(0)
      scope:close()
      neap.sleep(0)
      assert.same({ "worked", "next" }, list)
    end)
  end)

  it("is released by a connection's scope, when a callback took it", function()
    life.run(function(world)
      local lock, got = neap.lock(), 0
      world:ws("/", { message = function() if lock:acquire(10) then got = got + 1 end end })
      local one, two = world:connect "/", world:connect "/"
      one:send "x"
      life.wait_until(function() return got == 1 end)
      two:send "x"
      one:close()
      life.wait_until(function() return got == 2 end)
      two:close()
      two:wait_closed(10)
      local held
      life.wait_until(function() held = held or lock:acquire(0); return held end)
      held:close()
    end)
  end)
end)

describe("the life of a lock", function()
  it("ends at close, by <close> and with its scope: whoever waits hears closed", function()
    life.run(function()
      local codes, scope, kept = {}, neap.scope(), nil
      local function wait_for(lock, i)
        neap.spawn(function() codes[i] = code_of(lock:acquire()) end)
        neap.sleep(0)
      end
      local lock = neap.lock()
      local held = lock:acquire()
      wait_for(lock, 1)
      lock:close()
      lock:close()
      do
        local short <close> = neap.lock()
        neap.spawn(function()
          short:acquire()
          repeat neap.sleep(0.01) until codes[2]
        end)
        neap.sleep(0)
        wait_for(short, 2)
      end
      scope:spawn(function() kept = neap.lock() end)
      neap.sleep(0)
      local other = kept:acquire()
      wait_for(kept, 3)
      scope:close()
      neap.sleep(0)
      assert.same({ "closed", "closed", "closed" }, codes)
      assert.equal("closed", code_of(lock:acquire()))
      assert.equal("closed", code_of(lock:with(print)))
      held:close()
      other:close()
    end)
  end)

  it("is no business of its scope once it is dropped", function()
    life.run(function()
      local scope = neap.scope()
      scope:spawn(function() for _ = 1, 10 do neap.lock():acquire():close() end end)
      neap.sleep(0)
      life.collect()
      assert.is_nil(scope.last)
      scope:close()
    end)
  end)

  it("lets go of a task that waits for it, when that is cancelled", function()
    life.run(function()
      local lock, code, scope = neap.lock(), nil, neap.scope()
      local held = lock:acquire()
      scope:spawn(function() code = code_of(lock:acquire()) end)
      neap.sleep(0)
      scope:close()
      assert.equal("cancelled", code)
      held:close()
      assert.equal("neap.lock (free)", tostring(lock))
    end)
  end)

  it("ends with a state that is closed", function()
    local status, output = life.die [[
      local neap = require "neap"
      kept = neap.lock()
      mine = kept:acquire()
      neap.run(function()
        neap.spawn(function() kept:acquire() end)
        local own <close> = neap.lock():acquire()
        neap.sleep(0)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
  end)
end)
