local life = require "spec.support.life"
local neap = require "neap"
local provided = require "spec.support.provided"

local code_of, provide, without_lines = provided.code_of, provided.value, provided.without_lines
local quietly = life.quietly

describe("a singleton", function()
  it("keeps nothing of those who asked for it", function()
    life.run(function(world)
      local seen = setmetatable({}, { __mode = "k" })
      local app = world.app
      provide(app, "hub", "singleton", { make = function() neap.sleep(0); return {} end })
      provide(app, "session", "scoped", { needs = { "hub" }, make = function()
        local session = {}
        seen[session] = true
        return session
      end })
      world:ws("/", { accept = function(req) return req:get "session" ~= nil end,
        open = function() end })
      world:connect "/":close()
      life.wait_until(function() life.collect(); return not next(seen) end, "the session to go")
      local own = app:child()
      seen[own] = true
      assert(own:get "session")
      own:close()
      own = nil -- luacheck: ignore
      life.wait_until(function() life.collect(); return not next(seen) end, "the scope to go")
      assert(app:get "hub")
    end)
  end)

  local function refused(chain, make)
    local text = quietly(function()
      life.run(function(world)
        provide(world.app, "session", "scoped")
        provide(world.app, "cache", "transient",
          { make = function(scope) return { assert(scope:get "session") } end })
        provide(world.app, "hub", "singleton", { make = make })
        local own <close> = world.app:child()
        own:get "session"
        local hub, message = own:get "hub"
        assert.is_nil(hub)
        assert.truthy(without_lines(message):find(chain, 1, true), without_lines(message))
      end)
    end)
    assert.truthy(without_lines(text):find(chain, 1, true))
  end

  it("can't get what is scoped while it is made", function()
    refused('LINE: singleton "hub" (LINE) would capture scoped "session" (LINE); ask for it with',
      function(scope) return (scope:get "session") end)
  end)

  it("can't get it through a scope that it makes", function()
    refused('singleton "hub" (LINE) would capture scoped "session" (LINE)',
      function(scope) return scope:child():child():get "session" end)
    refused('singleton "hub" (LINE) would capture scoped "session" (LINE)',
      function() return neap.scope():get "session" end)
  end)

  it("can't get it through a transient", function()
    refused('singleton "hub" (LINE) would capture scoped "session" (LINE) '
      .. 'through transient "cache" (LINE)', function(scope) return assert(scope:get "cache") end)
  end)

  it("can't take it from another's scope while it is made", function()
    life.run(function(world)
      local own, message
      provide(world.app, "session", "scoped")
      provide(world.app, "hub", "singleton", { make = function()
        local ok
        ok, message = pcall(function() return own:get "session" end)
        return { ok = ok }
      end })
      own = world.app:child()
      own:get "session"
      assert.is_false(world.app:get "hub".ok)
      assert.matches('singleton "hub" %(LINE%) would capture', without_lines(message))
    end)
  end)

  it("can't get it later, once it is made", function()
    life.run(function(world)
      provide(world.app, "session", "scoped")
      provide(world.app, "hub", "singleton", { make = function(scope)
        return { late = function() return scope:get "session" end }
      end })
      local ok, message = pcall(world.app:get "hub".late)
      assert.is_false(ok)
      assert.matches('would capture scoped "session"', message)
    end)
  end)
end)

describe("a cycle that shows only as values are made", function()
  it("is named, with its chain", function()
    quietly(function()
      life.run(function(world)
        local app = world.app
        for name, next_one in pairs { a = "b", b = "c", c = "a" } do
          provide(app, name, "singleton",
            { make = function() return assert(app:get(next_one)) end })
        end
        local value, message = app:get "a"
        assert.is_nil(value)
        assert.truthy(without_lines(message):find('a cycle: singleton "a" (LINE) needs '
          .. 'singleton "b" (LINE) needs singleton "c" (LINE) needs "a"', 1, true), message)
      end)
    end)
  end)

  it("is named when two tasks come from both ends", function()
    quietly(function()
      life.run(function(world)
        local app, got = world.app, {}
        provide(app, "a", "singleton", { make = function(scope)
          neap.sleep(0.01)
          return assert(scope:get "b")
        end })
        provide(app, "b", "singleton", { make = function(scope)
          neap.sleep(0.01)
          return assert(scope:get "a")
        end })
        for i, name in ipairs { "a", "b" } do
          neap.spawn(function() got[i] = table.pack(app:get(name)) end)
        end
        life.wait_until(function() return got[1] and got[2] end)
        assert.matches("a cycle: ", got[1][2])
        assert.matches("a cycle: ", got[2][2])
      end)
    end)
  end)

  it("is named for transients, which would be made without end", function()
    local text = quietly(function()
      life.run(function(world)
        local app = world.app
        provide(app, "a", "transient", { make = function(scope) return scope:get "b" end })
        provide(app, "b", "transient", { make = function() return (app:get "a") end })
        local value, message = world.app:get "a"
        assert.is_nil(value)
        assert.matches('cannot make transient "a"', without_lines(message))
      end)
    end)
    assert.matches('a cycle: transient "a" %(LINE%) needs transient "b" %(LINE%) needs "a"',
      without_lines(text))
  end)
end)

describe("a wait that is over", function()
  it("makes no cycle later", function()
    life.run(function(world)
      local app, got = world.app, nil
      local is_over, is_asked
      provide(app, "a", "singleton", { make = function(scope)
        local helper = scope:spawn(function() scope:get "b" end)
        neap.sleep(0.01)
        helper:close()
        is_over = true
        while not is_asked do neap.sleep(0.001) end
        return "a"
      end })
      provide(app, "b", "singleton", { make = function(scope)
        while not is_over do neap.sleep(0.001) end
        is_asked = true
        return "b" .. assert(scope:get "a")
      end })
      neap.spawn(function() got = table.pack(app:get "b") end)
      assert.equal("a", app:get "a")
      life.wait_until(function() return got end)
      assert.equal("ba", got[1], got[2])
    end)
  end)
end)

describe("a factory", function()
  local function with_hub(fn)
    life.run(function(world)
      local list = provide(world.app, "session", "scoped", { needs = { "tx" } })
      provide(world.app, "tx", "scoped")
      provide(world.app, "hub", "singleton", { make = function(scope)
        return { scope = scope, session = scope:factory "session" }
      end })
      fn(world, world.app:get "hub", list)
    end)
  end

  it("gives a singleton what is scoped, in the scope that it names", function()
    with_hub(function(_, hub, list)
      local work <close> = hub.scope:child()
      local session = assert(hub.session(work))
      assert.equal(session, hub.session(work))
      assert.equal(session, work:get "session")
      work:close()
      assert.same({ "+tx", "+session", "-session", "-tx" }, list)
    end)
  end)

  it("gives a connection's own, since that is where it lives", function()
    with_hub(function(world, hub, list)
      local same
      world:ws("/", { message = function(conn)
        same = hub.session(conn:child()) == conn:get "session"
        conn:close()
      end })
      local conn = world:connect "/"
      conn:send "now"
      conn:wait_closed(10)
      life.wait_until(function() return #list == 4 end)
      assert.is_true(same)
    end)
  end)

  it("without a scope makes anew, until the task ends or its scope is closed", function()
    with_hub(function(_, hub, list)
      hub.scope:spawn(function()
        local first, scope = assert(hub.session())
        assert.not_equal(first, hub.session())
        scope:close()
        assert.same({ "-session", "-tx" }, { list[5], list[6] })
      end)
      life.wait_until(function() return #list == 8 end)
      assert.same({ "-session", "-tx" }, { list[7], list[8] })
    end)
  end)

  it("keeps nothing of what its scope had once that is closed", function()
    with_hub(function(_, hub)
      local seen = setmetatable({}, { __mode = "k" })
      for _ = 1, 5 do
        local session, scope = hub.session()
        seen[session] = true
        scope:close()
        seen[scope] = true
      end
      life.wait_until(function()
        life.collect()
        local count = 0
        for _ in pairs(seen) do count = count + 1 end
        return count <= 1 -- the last one may stand in a register still
      end)
    end)
  end)

  it("names no scope that lives as long as the singleton", function()
    with_hub(function(world, hub)
      local ok, message = pcall(hub.session, hub.scope)
      assert.is_false(ok)
      assert.matches("would capture", message)
      ok, message = pcall(hub.session, world.app)
      assert.is_false(ok)
      assert.matches("not the app", message)
      ok, message = pcall(hub.session, "work")
      assert.is_false(ok)
      assert.matches("the factory's argument must be a scope, not a string", message)
    end)
  end)

  it("answers closed for a scope that has ended, and after the app", function()
    with_hub(function(world, hub)
      local work = world.app:child()
      work:close()
      assert.equal("closed", code_of(hub.session(work)))
      world.app.scope:close()
      assert.equal("closed", code_of(hub.session(neap.scope())))
      assert.equal("closed", code_of(hub.session()))
    end)
  end)
end)
