local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local provided = require "spec.support.provided"
local test = require "neap.test"

local noting, without_lines = provided.services, provided.without_lines
local quietly = life.quietly

local function live() return core.counts().service.live end

local function run(fn)
  neap.run(fn)
  life.check_census()
end

describe("services", function()
  it("start in order and stop in reverse, with the app in memory", function()
    run(function()
      local list = {}
      local app, add = noting(list)
      for _, name in ipairs { "a", "b", "c" } do add(name) end
      local world = test.serve(app)
      assert.same({ "+a", "+b", "+c" }, list)
      assert.equal(3, live())
      world:close()
      assert.same({ "+a", "+b", "+c", "-c", "-b", "-a" }, list)
      assert.equal(0, live())
    end)
  end)

  it("start after the services that they need, each once", function()
    run(function()
      local list = {}
      local app, add = noting(list)
      add("a", { needs = { "c" } })
      add("b")
      add("c", { needs = { "b" } })
      local world = test.serve(app)
      world:close()
      assert.same({ "+b", "+c", "+a", "-a", "-c", "-b" }, list)
    end)
  end)

  it("start with the values that they need, and have scoped ones of their own", function()
    run(function()
      local list, got = {}, nil
      local app, add = noting(list)
      app:provide("config", { lifetime = "singleton", make = function() return { size = 3 } end })
      app:provide("db", {
        lifetime = "scoped", make = function() list[#list + 1] = "+db"; return { "db" } end,
        dispose = function() list[#list + 1] = "-db" end,
      })
      add("first")
      add("feed", { needs = { "first", "db", "config" }, start = function(scope, ...)
        got = { same = scope:get "db" == ..., count = select("#", ...), size = select(2, ...).size }
      end })
      local world = test.serve(app)
      assert.same({ same = true, count = 2, size = 3 }, got)
      world:close()
      assert.same({ "+first", "+db", "+feed", "-feed", "-db", "-first" }, list)
    end)
  end)

  it("own what start begins, and what it borrows", function()
    run(function()
      local ticks, ended, app = 0, nil, neap.app()
      local pool = neap.pool { make = function() return {} end, dispose = function() end }
      app:service { name = "ticker", start = function(scope)
        assert(pool:borrow())
        scope:every(0.001, function() ticks = ticks + 1 end)
        scope:spawn(function()
          local _ <close> = setmetatable({}, { __close = function() ended = true end })
          while neap.sleep(60) do ticks = -1 end
        end)
      end }
      local world = test.serve(app)
      life.wait_until(function() return ticks > 2 end)
      assert.same({ 1, 0 }, { pool:count() })
      world:close()
      assert.is_true(ended)
      assert.same({ 1, 1 }, { pool:count() })
      pool:close()
    end)
  end)

  it("hold a client connection that lives as long as they do", function()
    life.run(function(feed)
      local closed
      feed:ws("/", {
        open = function(conn) conn:every(0.001, function() conn:send "news" end) end,
        close = function(_, why) closed = why end,
      })
      local app = neap.app()
      app:ws("/", { open = function(conn) conn:subscribe "news" end })
      app:service { name = "feed", start = function(scope)
        local conn = assert(neap.connect(("ws://127.0.0.1:%d/"):format(feed:port())))
        scope:own(conn)
        scope:spawn(function()
          for text in conn:messages() do app:publish("news", text) end
        end)
      end }
      local world = test.serve(app)
      local conn = assert(world:connect "/")
      assert.equal("news", conn:receive(10))
      world:close()
      life.wait_until(function() return closed end)
      assert.same({ 1000, true }, { closed.code, closed.clean })
    end)
  end)

  it("are told, each its share of the time that is left", function()
    run(function()
      local shares, list = {}, {}
      local app, add = noting(list)
      app.options["timeouts.drain"] = 12
      for _, name in ipairs { "a", "b", "c" } do
        add(name, { stop = function(seconds) shares[name] = seconds end })
      end
      local world = test.serve(app)
      world:close()
      assert.near(4, shares.c, 1.5)
      assert.near(6, shares.b, 1.5)
      assert.near(12, shares.a, 3)
    end)
  end)

  it("stop also when the app's scope is closed by itself, once", function()
    run(function()
      local list = {}
      local app, add = noting(list)
      add("a")
      add("b")
      local world = test.serve(app)
      app.scope:close()
      assert.same({ "+a", "+b", "-b", "-a" }, list)
      world:close()
      assert.equal(4, #list)
    end)
  end)

  it("do not keep others from stopping when their stop hangs or fails", function()
    local text = quietly(function()
      run(function()
        local list = {}
        local app, add = noting(list)
        app.options["timeouts.drain"] = 0.2
        app.options["timeouts.cancel"] = 0.1
        add("a")
        add("hangs", { stop = function()
          neap.sleep(60)
          list[#list + 1] = "told to go on"
        end })
        add("fails", { stop = function() error "on purpose" end })
        local world = test.serve(app)
        local began = neap.now()
        world:close()
        assert.is_true(neap.now() - began < 3)
        assert.same({ "-fails", "-hangs", "-a" }, { list[4], list[5], list[6] })
      end)
    end)
    text = without_lines(text)
    assert.matches('service "hangs" %(LINE%) did not stop within 0%.[01] s, and was cut off', text)
    assert.matches('error in stop of service "fails" %(LINE%): LINE: on purpose', text)
  end)

  it("keep their tasks while stop runs", function()
    run(function()
      local app, done, is_flushed = neap.app(), neap.channel(1), nil
      app:service {
        name = "writer",
        start = function(scope)
          scope:spawn(function()
            done:receive()
            is_flushed = neap.sleep(0.01)
          end)
        end,
        stop = function()
          done:send(true)
          life.wait_until(function() return is_flushed ~= nil end)
        end,
      }
      test.serve(app):close()
      assert.is_true(is_flushed)
    end)
  end)
end)

describe("services of mounted apps and workers", function()
  it("start after those of the app above, which they may need, and stop before", function()
    run(function()
      local list = {}
      local app, add = noting(list)
      local other, add_other = noting(list)
      app:mount("/other", other)
      add_other("inner", { needs = { "outer" } })
      add("outer")
      test.serve(app):close()
      assert.same({ "+outer", "+inner", "-inner", "-outer" }, list)
    end)
  end)

  it("run in the first worker alone, unless they say otherwise", function()
    local before = neap.worker
    rawset(neap, "worker", { index = 2 })
    run(function()
      local list = {}
      local app, add = noting(list)
      add("one")
      add("each", { each_worker = true })
      test.serve(app):close()
      assert.same({ "+each", "-each" }, list)
    end)
    rawset(neap, "worker", before)
  end)
end)

describe("a service that does not start", function()
  local function fails(start, prepare)
    local list, message = {}, nil
    quietly(function()
      run(function()
        local app, add = noting(list)
        add("a")
        add("b")
        add("c", { start = start })
        add("d")
        if prepare then prepare(app) end
        local ok
        ok, message = pcall(test.serve, app)
        assert.is_false(ok)
        assert.equal(0, live())
        app.scope:close()
      end)
    end)
    assert.same({ "+a", "+b", "+c", "-b", "-a" }, list)
    return (without_lines(message):gsub("^LINE: LINE:", "LINE:"))
  end

  it("stops those before it, and says why it raised", function()
    assert.equal('LINE: service "c" failed to start: LINE: no feed',
      fails(function() error "no feed" end))
  end)

  it("or what it returned", function()
    assert.equal('LINE: service "c" failed to start: connection refused',
      fails(function() return nil, "connection refused", "refused" end))
    assert.equal('LINE: service "c" failed to start: start returned false',
      fails(function() return false end))
  end)

  it("or which value could not be made", function()
    assert.equal('LINE: service "c" failed to start: cannot make scoped "db" (LINE): no disk',
      fails(function(scope) assert(scope:get "db") end, function(app)
        app:provide("db", { lifetime = "scoped",
          make = function() return nil, "no disk", "io" end })
      end):gsub("start: LINE: ", "start: "))
  end)

  it("or that it took longer than 30 s", function()
    local list, message = {}, nil
    run(function()
      local app, add = noting(list)
      add("a")
      add("b", { start = function() while true do neap.sleep(3600) end end })
      neap.spawn(function()
        local ok
        ok, message = pcall(test.serve, app)
        assert.is_false(ok)
      end)
      neap.sleep(0.01)
      test.clock:advance(29)
      assert.is_nil(message)
      for _ = 1, 20 do
        test.clock:advance(1)
        neap.sleep(0.001)
      end
      life.wait_until(function() return message end)
      app.scope:close()
    end)
    assert.same({ "+a", "+b", "-a" }, list)
    assert.matches('service "b" did not start within 30 s; what goes on belongs into scope:spawn',
      message)
  end)

  it("needs a task: the main chunk can't wait for it", function()
    local app = neap.app()
    app:service { name = "a", start = function() end }
    local ok, message = pcall(test.serve, app)
    assert.is_false(ok)
    assert.matches("wrap it in neap.run", message)
    app.scope:close()
    life.check_census()
  end)
end)

describe("the life of services", function()
  it("ends with a state that is closed while they run, start and stop", function()
    local status, output = life.die [[
      local neap = require "neap"
      local test = require "neap.test"
      app = neap.app()
      app:service {name = "a", start = function(scope) scope:every(1, print) end,
        stop = function() neap.sleep(5) end}
      app:service {name = "b", start = function(scope) neap.sleep(5) end}
      neap.run(function()
        neap.spawn(function() world = test.serve(app) end)
        neap.sleep(0.01)
        neap.spawn(function() app.scope:close() end)
        neap.sleep(0)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
  end)

  it("ends when the app is dropped", function()
    quietly(function()
      run(function()
        local stopped
        life.forget(function()
          local app = neap.app()
          app.scope:close()
          local own = neap.scope { within = {} }
          own:spawn(function()
            local inner = neap.app()
            inner:service { name = "a", start = function() end,
              stop = function() stopped = true end }
            test.serve(inner)
          end)
          neap.sleep(0.01)
        end)
        life.wait_until(function() life.collect(); return stopped end)
        life.wait_until(function() return live() == 0 end)
      end)
    end)
  end)

  it("is in the census by the script's line", function()
    run(function()
      local app = neap.app()
      app:service { name = "a", start = function() end }
      local world = test.serve(app)
      local site = next(neap.census().service.sites)
      assert.matches("^spec/lifetime/service_spec%.lua:%d+$", site)
      world:close()
    end)
  end)
end)

describe("app:service", function()
  local function misuse(fn)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    assert.matches("^spec/lifetime/service_spec%.lua:%d+: ", message)
    return message
  end

  local function start() end

  it("points at the script's line when it is misused", function()
    local app = neap.app()
    for name, given in pairs {
      ["unknown option strat of app:service; did you mean start?"] = { name = "a", strat = start },
      ["app:service's name must be a string"] = { start = start },
      ["app:service's start must be a function"] = { name = "a" },
      ["unknown option app:service(\"a\")'s restart.mxa; did you mean max?"] =
        { name = "a", start = start, restart = { mxa = 1 } },
      ["restart.min must be more than 0 seconds"] =
        { name = "a", start = start, restart = { min = 0 } },
      ["restart.max must not be less"] = { name = "a", start = start,
        restart = { min = 2, max = 1 } },
      ["restart.jitter must be"] = { name = "a", start = start, restart = { jitter = 1 } },
    } do
      local message = misuse(function() app:service(given) end)
      assert.truthy(message:find(name, 1, true), message)
    end
    app:service { name = "a", start = start }
    assert.matches('service "a" %b() is there already', misuse(function()
      app:provide("a", { lifetime = "scoped", make = start })
    end))
    app.scope:close()
  end)

  it("refuses needs that go round, and values that need a service", function()
    local app = neap.app()
    app:service { name = "a", start = start, needs = { "b" } }
    app:service { name = "b", start = start, needs = { "a" } }
    assert.matches('a cycle: service "a" %b() needs service "b" %b() needs "a"',
      (select(2, pcall(test.serve, app))))
    app.scope:close()
    app = neap.app()
    app:service { name = "a", start = start }
    app:provide("b", { lifetime = "singleton", make = start, needs = { "a" } })
    assert.matches('singleton "b" %b() needs service "a" %b(); only a service may',
      (select(2, pcall(test.serve, app))))
    app.scope:close()
    neap.run(function()
      local other = neap.app()
      other:service { name = "a", start = start }
      local ok, message = pcall(function() other:get "a" end)
      assert.is_false(ok)
      assert.matches('service "a" %b() is no value to get', message)
      other.scope:close()
    end)
    life.check_census()
  end)
end)
