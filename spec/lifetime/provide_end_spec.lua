local life = require "spec.support.life"
local neap = require "neap"
local provided = require "spec.support.provided"

local code_of, provide = provided.code_of, provided.value
local quietly = life.quietly

describe("the end of values", function()
  it("comes in the reverse order of their making, once, each guarded", function()
    local text = quietly(function()
      life.run(function(world)
        local app = world.app
        local list = provide(app, "a", "scoped")
        provide(app, "b", "scoped", { needs = { "a" } })
        provide(app, "c", "scoped", { dispose = function() error "on purpose" end })
        provide(app, "d", "scoped", { make = function(scope)
          scope:get "e"
          list[#list + 1] = "+d"
          return {}
        end })
        provide(app, "e", "scoped")
        local own = app:child()
        for _, name in ipairs { "b", "c", "d" } do assert(own:get(name)) end
        own:close()
        own:close()
        assert.same({ "+a", "+b", "+c", "+e", "+d", "-d", "-e", "-b", "-a" }, list)
      end)
    end)
    local _, times = text:gsub("error in a hook: [^\n]*on purpose", "")
    assert.equal(1, times)
  end)

  it("keeps its place among what else the scope owns", function()
    life.run(function(world)
      local list = provide(world.app, "it", "scoped")
      local own = world.app:child()
      own:defer(function() list[#list + 1] = "first" end)
      own:get "it"
      own:defer(function() list[#list + 1] = "last" end)
      own:close()
      assert.same({ "+it", "last", "-it", "first" }, list)
    end)
  end)

  it("follows the order in which they were ready, not asked for", function()
    life.run(function(world)
      local list
      list = provide(world.app, "slow", "singleton", { make = function()
        repeat neap.sleep(0.01) until list[1]
        list[#list + 1] = "+slow"
        return {}
      end })
      provide(world.app, "fast", "singleton")
      local slow = neap.spawn(function() world.app:get "slow" end)
      neap.sleep(0)
      world.app:get "fast"
      life.wait_until(function() return #list == 2 end)
      world.app.scope:close()
      slow:close()
      assert.same({ "+fast", "+slow", "-slow", "-fast" }, list)
    end)
  end)

  it("comes after the end of a scope that asked, however old the scope is", function()
    life.run(function(world)
      local list = provide(world.app, "db", "singleton")
      local own = world.app:child()
      own:defer(function() list[#list + 1] = "hook" end)
      own:get "db"
      world.app.scope:close()
      assert.same({ "+db", "hook", "-db" }, list)
    end)
  end)

  it("comes after the end of a task that has one, however old the task is", function()
    life.run(function(world)
      local list = provide(world.app, "db", "singleton")
      local events, own = list, world.app:child()
      own:spawn(function()
        own:get "db"
        neap.sleep(60)
        own:shield(1, function() neap.sleep(0.02) end)
        events[#events + 1] = "committed"
      end)
      world.app:spawn(function()
        world.app:get "db"
        neap.sleep(60)
        world.app:shield(1, function() neap.sleep(0.02) end)
        events[#events + 1] = "committed"
      end)
      neap.sleep(0.01)
      world.app.scope:close()
      assert.same({ "+db", "committed", "committed", "-db" }, list)
    end)
  end)

  it("lets one that is being made end before what it has got", function()
    life.run(function(world)
      local list = provide(world.app, "db", "singleton")
      provide(world.app, "repo", "singleton", { make = function(scope)
        scope:get "db"
        local _ <close> = setmetatable({}, { __close = function() list[#list + 1] = "unmade" end })
        neap.sleep(60)
        neap.sleep(60)
      end })
      world.app.scope.cancel_timeout = 0.05
      neap.spawn(function() world.app:get "repo" end)
      neap.sleep(0.01)
      world.app.scope:close()
      assert.same({ "+db", "unmade", "-db" }, list)
    end)
  end)

  it("may come early: what closes its own scope is made anew", function()
    life.run(function(world)
      local made = 0
      local list
      list = provide(world.app, "it", "singleton", { make = function(scope)
        made = made + 1
        return { number = made, stop = function() scope:close() end }
      end, dispose = function()
        neap.sleep(0.02)
        list[#list + 1] = "-it"
      end })
      local first = world.app:get "it"
      neap.spawn(first.stop)
      neap.sleep(0)
      assert.equal(2, world.app:get "it".number)
      assert.same({ "-it" }, list)
    end)
  end)

  it("leaves what is there to hooks that run before it, and nothing after", function()
    life.run(function(world)
      local list, seen, code = provide(world.app, "it", "scoped"), nil, nil
      provide(world.app, "other", "scoped")
      local own = world.app:child()
      local it = own:get "it"
      own:defer(function()
        seen, code = own:get "it", code_of(own:get "other")
      end)
      own:close()
      assert.equal(it, seen)
      assert.equal("closed", code)
      assert.equal("closed", code_of(own:get "it"))
      assert.same({ "+it", "-it" }, list)
    end)
  end)

  it("once begun gives none of them out", function()
    life.run(function(world)
      provide(world.app, "it", "scoped", { make = function(scope) return { scope = scope } end })
      local own, is_closed, is_asked = world.app:child(), false, false
      own:get "it".scope:spawn(function()
        own:shield(10, function()
          repeat neap.sleep(0.01) until is_asked
        end)
      end)
      neap.sleep(0)
      neap.spawn(function()
        own:close()
        is_closed = true
      end)
      neap.sleep(0.01)
      assert.is_false(is_closed)
      assert.equal("closed", code_of(own:get "it"))
      is_asked = true
      life.wait_until(function() return is_closed end)
    end)
  end)

  it("comes when the connection ends by an error", function()
    quietly(function()
      life.run(function(world)
        local list = provide(world.app, "it", "scoped")
        world:ws("/", { message = function(conn)
          conn:get "it"
          error "on purpose"
        end })
        local conn = world:connect "/"
        conn:send "now"
        assert.equal("error", conn:wait_closed(10) and "error")
        life.wait_until(function() return #list == 2 end)
        assert.same({ "+it", "-it" }, list)
      end)
    end)
  end)

  it("comes with a drop of the scope that has them", function()
    quietly(function()
      life.run(function(world)
        local list = provide(world.app, "it", "scoped")
        provide(world.app, "hub", "singleton", { make = function(scope)
          return { open = scope:factory "it" }
        end })
        life.forget(function()
          local own = neap.scope { within = {} }
          assert(world.app:get "hub".open(own))
        end)
        life.wait_until(function() life.collect(); return #list == 2 end)
        assert.same({ "+it", "-it" }, list)
      end)
    end)
  end)

  it("is not run for a state that is closed with them alive", function()
    local status, output = life.die [[
      local neap = require "neap"
      app = neap.app()
      app:provide("a", {lifetime = "singleton", make = function() return {} end})
      app:provide("b", {lifetime = "singleton", make = function() neap.sleep(1) end})
      neap.run(function()
        kept = app:child()
        kept:get "a"
        neap.spawn(function() app:get "b" end)
        neap.sleep(0)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
  end)
end)
