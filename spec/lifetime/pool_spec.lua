local core = require "neap.core"
local fair = require "spec.support.fair"
local life = require "spec.support.life"
local neap = require "neap"

local function code_of(...)
  return (select(3, ...))
end

local quietly = life.quietly

-- Options whose make numbers what it makes, and counts what is alive.
local function counted(given)
  local seen = { made = 0, alive = 0, peak = 0 }
  given = given or {}
  given.make = given.make or function()
    seen.made, seen.alive = seen.made + 1, seen.alive + 1
    seen.peak = math.max(seen.peak, seen.alive)
    return { number = seen.made }
  end
  given.dispose = given.dispose or function() seen.alive = seen.alive - 1 end
  return given, seen
end

describe("a pool", function()
  it("lends what is idle before it makes anew", function()
    life.run(function()
      local options, seen = counted()
      local pool <close> = neap.pool(options)
      for _ = 1, 5 do
        local number = pool:with(function(item, add) return item.number + add end, 10)
        assert.equal(11, number)
      end
      assert.equal(1, seen.made)
      assert.same({ 1, 1 }, { pool:count() })
    end)
  end)

  it("serves first come first served", function()
    life.run(function()
      local pool <close> = neap.pool(counted { max_open = 2 })
      local list = {}
      for i = 1, 8 do
        neap.spawn(function()
          local _ <close> = assert(pool:borrow())
          list[#list + 1] = i
          neap.sleep(0.001)
        end)
      end
      life.wait_until(function() return #list == 8 end)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 }, list)
    end)
  end)

  it("never has more than max_open, those that are made and disposed of too", function()
    life.run(function()
      local options, seen = counted { max_open = 2, make = false }
      options.make = function()
        seen.made, seen.alive = seen.made + 1, seen.alive + 1
        seen.peak = math.max(seen.peak, seen.alive)
        neap.sleep(0.002)
        return { number = seen.made }
      end
      options.dispose = function() neap.sleep(0.002); seen.alive = seen.alive - 1 end
      local pool, done = neap.pool(options), 0
      for i = 1, 8 do
        neap.spawn(function()
          local loan = assert(pool:borrow())
          neap.sleep(0.002)
          done = done + 1
          if i % 2 == 0 then loan:discard() else loan:close() end
        end)
      end
      life.wait_until(function() return done == 8 end)
      assert.equal(2, seen.peak)
      pool:close()
      life.wait_until(function() return seen.alive == 0 end)
    end)
  end)

  it("keeps no more than max_idle", function()
    life.run(function()
      local options, seen = counted { max_open = 4, max_idle = 1 }
      local pool <close> = neap.pool(options)
      local loans = {}
      for i = 1, 4 do loans[i] = assert(pool:borrow()) end
      for _, loan in ipairs(loans) do loan:close() end
      neap.sleep(0)
      assert.same({ 1, 1 }, { pool:count() })
      assert.equal(1, seen.alive)
    end)
  end)

  it("disposes of what is older than max_lifetime, idle or coming back", function()
    life.run(function()
      local options, seen = counted { max_lifetime = 0.04 }
      local pool <close> = neap.pool(options)
      local loan = assert(pool:borrow())
      assert(pool:borrow()):close()
      neap.sleep(0.1)
      assert.equal(1, seen.alive)
      loan:close()
      neap.sleep(0)
      assert.equal(0, seen.alive)
      assert.same({ 0, 0 }, { pool:count() })
      assert.equal(3, pool:with(function(item) return item.number end))
    end)
  end)

  it("lets a borrower wait for max_wait, or its own time", function()
    life.run(function()
      local pool <close> = neap.pool(counted { max_open = 1, max_wait = 0.02 })
      local loan = pool:borrow()
      local began = fair.now()
      assert.equal("timeout", code_of(pool:borrow()))
      assert.is_true(fair.now() - began < 5)
      assert.equal("timeout", code_of(pool:borrow(0)))
      loan:close()
      assert(pool:borrow(0)):close()
    end)
  end)

  it("says what make said, frees the place, and never spins", function()
    local text = quietly(function()
      life.run(function()
        local answers = {
          function() return nil, "no route", "refused" end,
          function() return nil, "odd", "E_ODD" end,
          function() return nil end,
          function() error "make failed" end,
        }
        local turn = 0
        local pool <close> = neap.pool {
          max_open = 1,
          make = function() turn = turn + 1; return answers[turn]() end,
        }
        for _, code in ipairs { "refused", "io", "io", "io" } do
          local loan, message, got = pool:borrow()
          assert.is_nil(loan)
          assert.equal("string", type(message))
          assert.equal(code, got)
        end
        assert.same({ 0, 0 }, { pool:count() })
      end)
    end)
    assert.truthy(text:find "make failed.*stack traceback")
  end)

  it("passes the place on when make fails or its task is closed", function()
    life.run(function()
      local turn = 0
      local pool <close> = neap.pool {
        max_open = 1, dispose = function() end,
        make = function()
          turn = turn + 1
          if turn == 1 then neap.sleep(0.01); return nil, "not yet", "refused" end
          if turn == 2 then while true do coroutine.yield() end end
          return "third"
        end,
      }
      local scope, got, code = neap.scope { cancel_timeout = 0.02 }, nil, nil
      neap.spawn(function() code = code_of(pool:borrow()) end)
      neap.sleep(0)
      scope:spawn(function() pool:borrow() end)
      neap.sleep(0)
      neap.spawn(function() got = assert(pool:borrow()).item end)
      life.wait_until(function() return turn == 2 end)
      scope:close()
      life.wait_until(function() return got end)
      assert.same({ "refused", "third" }, { code, got })
    end)
  end)

  it("logs what dispose raises, and goes on", function()
    local text = quietly(function()
      life.run(function()
        local pool = neap.pool { make = function() return {} end,
          dispose = function() error "dispose failed" end }
        pool:borrow():discard()
        pool:with(function() end)
        pool:close()
        assert.same({ 0, 0 }, { pool:count() })
      end)
    end)
    local _, times = text:gsub("error in a hook: [^\n]*dispose failed", "")
    assert.equal(2, times)
  end)

  it("closes its items by their close method when there is no dispose", function()
    life.run(function()
      local closed = 0
      local pool = neap.pool { make = function()
        return { close = function() closed = closed + 1 end }
      end }
      pool:with(function() end)
      pool:close()
      assert.equal(1, closed)
    end)
  end)

  it("points at the script's line when its options are wrong", function()
    life.run(function()
      local function make() return 1 end
      for name, options in pairs {
        ["did you mean max_open"] = { make = make, max_opne = 1 },
        ["make must be a function"] = {},
        ["max_open must be an integer"] = { make = make, max_open = 0 },
        ["max_idle must be an integer"] = { make = make, max_idle = 1.5 },
        ["max_wait must not be negative"] = { make = make, max_wait = -1 },
        ["max_lifetime must be a number"] = { make = make, max_lifetime = "1m" },
      } do
        local _, err = pcall(function() neap.pool(options) end)
        assert.matches("^spec/lifetime/pool_spec%.lua:%d+: ", err)
        assert.truthy(err:find(name, 1, true), err)
      end
    end)
  end)
end)

describe("what is borrowed", function()
  for name, ending in pairs {
    returns = function() end,
    fails = function() error("on purpose", 0) end,
    ["is cancelled"] = function(scope) scope:cancel(); neap.sleep(60); neap.sleep(60) end,
  } do
    it("comes back when its task " .. name, function()
      life.run(function()
        local options, seen = counted { max_open = 1 }
        local pool <close> = neap.pool(options)
        local scope = neap.scope { on_error = function() end }
        scope:spawn(function()
          assert(pool:borrow())
          ending(scope)
        end)
        neap.sleep(0)
        assert.equal(1, assert(pool:borrow(10)).item.number)
        assert.equal(1, seen.made)
        scope:close()
      end)
    end)
  end

  it("comes back when with's function fails", function()
    life.run(function()
      local pool <close> = neap.pool(counted())
      assert.has_error(function() pool:with(function() error("inside", 0) end) end, "inside")
      assert.same({ 1, 1 }, { pool:count() })
    end)
  end)

  it("comes back once, however often it is given back", function()
    life.run(function()
      local pool <close> = neap.pool(counted())
      local loan = pool:borrow()
      loan:close()
      loan:discard()
      loan:close()
      assert.is_nil(loan.item)
      assert.same({ 1, 1 }, { pool:count() })
    end)
  end)

  it("comes back when the connection ends whose callback took it", function()
    life.run(function(world)
      local pool, taken = neap.pool(counted { max_open = 1 }), nil
      world:ws("/", { message = function() taken = pool:borrow() end })
      local client = world:connect "/"
      client:send "x"
      life.wait_until(function() return taken end)
      client:close()
      assert(pool:borrow(10)):close()
      pool:close()
    end)
  end)

  it("goes on to the next when the one that got it is closed first", function()
    life.run(function()
      local pool <close> = neap.pool(counted { max_open = 1 })
      local loan, got = pool:borrow(), nil
      local first = neap.spawn(function() pool:borrow(); got = "by the first" end)
      neap.sleep(0)
      neap.spawn(function() got = pool:borrow().item.number end)
      neap.sleep(0)
      loan:close()
      core.kill(first.task)
      neap.sleep(0.01)
      assert.equal(1, got)
    end)
  end)
end)

describe("the life of a pool", function()
  it("ends at close: idle now, lent when it comes back, waiters hear closed", function()
    life.run(function()
      local options, seen = counted { max_open = 2 }
      local pool, code = neap.pool(options), nil
      local loan = pool:borrow()
      local other = pool:borrow()
      neap.spawn(function() code = code_of(pool:borrow()) end)
      neap.sleep(0)
      other:discard()
      neap.sleep(0)
      assert.equal(3, seen.made)
      local third = pool:borrow()
      neap.spawn(function() code = code_of(pool:borrow()) end)
      neap.sleep(0)
      pool:close()
      pool:close()
      neap.sleep(0)
      assert.equal("closed", code)
      assert.equal("closed", code_of(pool:borrow()))
      assert.equal("closed", code_of(pool:with(print)))
      loan:close()
      third:close()
      neap.sleep(0)
      assert.equal(0, seen.alive)
      assert.equal("neap.pool (closed)", tostring(pool))
    end)
  end)

  it("ends with its scope, after a dispose that waits", function()
    life.run(function()
      local options, seen = counted()
      options.dispose = function() neap.sleep(0.02); seen.alive = seen.alive - 1 end
      local scope = neap.scope()
      scope:spawn(function() neap.pool(options):with(function() end) end)
      neap.sleep(0)
      scope:close()
      assert.equal(0, seen.alive)
    end)
  end)

  it("ends when the script drops it", function()
    life.run(function()
      local options, seen = counted()
      life.forget(function()
        local scope = neap.scope { within = {} }
        scope:spawn(function() neap.pool(options):with(function() end) end)
        neap.sleep(0)
      end)
      life.wait_until(function() life.collect(); return seen.alive == 0 end)
    end)
  end)

  it("ends with a state that is closed", function()
    local status, output = life.die [[
      local neap = require "neap"
      kept = neap.pool { make = function() return {} end, max_open = 1, max_lifetime = 5 }
      mine = kept:borrow()
      neap.run(function()
        neap.spawn(function() kept:borrow() end)
        local own = neap.pool { make = function() neap.sleep(1) end }
        neap.spawn(function() own:borrow() end)
        neap.sleep(0)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
  end)
end)
