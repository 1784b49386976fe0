local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local provided = require "spec.support.provided"

local code_of, provide, without_lines = provided.code_of, provided.value, provided.without_lines
local quietly = life.quietly

-- ---- who asks

-- Each way of asking plays `inside(owner)` in a task, and ends what it made.
local ASKERS = {}

function ASKERS.app(world, inside) inside(world.app) end

ASKERS["a scope of its own"] = function(world, inside)
  local own <close> = world.app:child()
  inside(own)
end

ASKERS["a scope below that"] = function(world, inside)
  local own <close> = world.app:child()
  inside(own:child())
end

function ASKERS.connection(world, inside)
  local conn = world:connect "/conn"
  conn:send "now"
  world.inside = inside
  assert.equal("done", conn:receive(10))
  conn:close()
  conn:wait_closed(10)
end

function ASKERS.request(world, inside)
  world.inside = inside
  neap.connect(("ws://127.0.0.1:%d/request"):format(world:port()))
end

local function serve(world)
  local function play(owner)
    world.played, world.failure = xpcall(world.inside, debug.traceback, owner)
  end
  world:ws("/conn", { message = function(conn)
    play(conn)
    return "done"
  end })
  world:ws("/request", {
    accept = function(req)
      play(req)
      return req:reject(403)
    end,
    open = function() end,
  })
end

local function ask(world, who, inside)
  world.played = true
  ASKERS[who](world, inside)
  life.wait_until(function() return world.played ~= nil end)
  if not world.played then error(world.failure, 0) end
end

describe("a provided value", function()
  for who in pairs(ASKERS) do
    it("is one for all as a singleton, asked for by the " .. who, function()
      life.run(function(world)
        serve(world)
        local list = provide(world.app, "it", "singleton")
        local seen = {}
        for _ = 1, 2 do
          ask(world, who, function(owner)
            seen[#seen + 1] = assert(owner:get "it")
            seen[#seen + 1] = owner:get "it"
          end)
        end
        assert.equal(4, #seen)
        for i = 2, 4 do assert.equal(seen[1], seen[i]) end
        assert.same({ "+it" }, list)
        world:close()
        assert.same({ "+it", "-it" }, list)
      end)
    end)

    it("is a new one for each asking as a transient of the " .. who, function()
      life.run(function(world)
        serve(world)
        local list = provide(world.app, "it", "transient")
        ask(world, who, function(owner)
          assert.not_equal(assert(owner:get "it"), assert(owner:get "it"))
        end)
        if who == "app" then world:close() end
        life.wait_until(function() return #list == 4 end)
        assert.same({ "+it", "+it", "-it", "-it" }, list)
      end)
    end)

    if who ~= "app" then
      it("is one for each scope, and ends with it, scoped for the " .. who, function()
        life.run(function(world)
          serve(world)
          local list, seen = provide(world.app, "it", "scoped"), {}
          for round = 1, 2 do
            ask(world, who, function(owner)
              seen[round] = assert(owner:get "it")
              assert.equal(seen[round], owner:get "it")
              assert.equal(seen[round], owner:child():get "it")
            end)
            life.wait_until(function() return #list == 2 * round end)
          end
          assert.not_equal(seen[1], seen[2])
          assert.same({ "+it", "-it", "+it", "-it" }, list)
        end)
      end)
    end
  end

  it("is refused to the app when it is scoped", function()
    life.run(function(world)
      provide(world.app, "it", "scoped")
      local ok, message = pcall(function() world.app:get "it" end)
      assert.is_false(ok)
      assert.equal('LINE: scoped "it" (LINE) lives in a connection, a request, a service or a '
        .. "scope of its own: ask one of these for it, not the app", without_lines(message))
    end)
  end)

  it("is made anew in the connection's scope although the request had its own", function()
    life.run(function(world)
      local list, of_request, of_conn = provide(world.app, "it", "scoped"), nil, nil
      world:ws("/", {
        accept = function(req) of_request = req:get "it"; return true end,
        open = function(conn) of_conn = conn:get "it" end,
      })
      local conn = world:connect "/"
      life.wait_until(function() return #list == 3 end)
      assert.not_equal(of_request, of_conn)
      conn:close()
      life.wait_until(function() return #list == 4 end)
      assert.equal("-it", list[4])
    end)
  end)

  it("has the values that it needs, in order, behind its scope", function()
    life.run(function(world)
      local app = world.app
      provide(app, "a", "singleton", { make = function() return false end })
      provide(app, "b", "scoped")
      local got
      provide(app, "c", "scoped", {
        needs = { "b", "a" },
        make = function(...) got = table.pack(...); return "c" end,
      })
      local own <close> = app:child()
      assert.equal("c", own:get "c")
      assert.equal(3, got.n)
      assert.equal(own:get "b", got[2])
      assert.is_false(got[3])
      assert.is_false(own:get "a")
    end)
  end)

  it("misspelt is answered with the name that was meant", function()
    life.run(function(world)
      provide(world.app, "session", "scoped")
      local ok, message = pcall(function() world.app:get "sesion" end)
      assert.is_false(ok)
      assert.equal('LINE: nothing is provided as "sesion"; did you mean session?',
        without_lines(message))
      ok, message = pcall(function() world.app:factory "sesion" end)
      assert.is_false(ok)
      assert.matches("did you mean session", message)
    end)
    neap.run(function()
      local own <close> = neap.scope()
      local ok, message = pcall(function() own:get "session" end)
      assert.is_false(ok)
      assert.equal("LINE: nothing is provided here: no app is above this scope",
        without_lines(message))
    end)
  end)

  it("of an app reaches those mounted in it, which may have one of that name", function()
    life.run(function(world)
      local other, got = neap.app(), nil
      provide(world.app, "name", "singleton", { make = function() return "outer" end })
      provide(world.app, "greeting", "scoped", { needs = { "name" },
        make = function(_, name) return "hello " .. name end })
      provide(other, "name", "singleton", { make = function() return "inner" end })
      other:ws("/", { accept = function(req)
        got = { req:get "name", req:get "greeting" }
        return true
      end, open = function() end })
      world.app:mount("/sub", other)
      world:connect "/sub":close()
      assert.same({ "inner", "hello outer" }, got)
      assert.equal("outer", world.app:get "name")
    end)
  end)

  it("is made in a task: the main chunk can't ask for it, but for what is there", function()
    local app = neap.app()
    provide(app, "it", "singleton")
    local ok, message = pcall(function() app:get "it" end)
    assert.is_false(ok)
    assert.matches("^spec/lifetime/provide_spec%.lua:%d+: this waits: wrap it in neap.run", message)
    neap.run(function() assert(app:get "it") end)
    assert.equal("it", app:get "it".name)
    app.scope:close()
    life.check_census()
  end)
end)

describe("the making of a value", function()
  it("happens once for all who ask meanwhile", function()
    life.run(function(world)
      local made, got = 0, {}
      provide(world.app, "it", "singleton", { make = function()
        neap.sleep(0.02)
        made = made + 1
        return { made }
      end })
      for i = 1, 5 do
        neap.spawn(function() got[i] = world.app:get "it" end)
      end
      life.wait_until(function() return #got == 5 end)
      assert.equal(1, made)
      for i = 1, 5 do assert.equal(got[1], got[i]) end
    end)
  end)

  it("goes on for the others when one who asked is cancelled or killed", function()
    life.run(function(world)
      local asked, got, code = world.app:child(), nil, nil
      provide(world.app, "it", "singleton", { make = function()
        repeat neap.sleep(0.01) until code
        return "it"
      end })
      asked:spawn(function() code = code_of(world.app:get "it") end)
      local killed = asked:spawn(function() world.app:get "it" end)
      neap.sleep(0)
      neap.spawn(function() got = world.app:get "it" end)
      neap.sleep(0)
      core.kill(killed.task)
      asked:close()
      assert.equal("cancelled", code)
      life.wait_until(function() return got end)
      assert.equal("it", got)
    end)
  end)

  it("goes on when the request is gone that began it", function()
    life.run(function(world)
      local began, got
      provide(world.app, "it", "singleton", { make = function()
        began = true
        neap.sleep(0.05)
        return "it"
      end })
      local own = world.app:child()
      own:spawn(function() own:get "it" end)
      life.wait_until(function() return began end)
      own:close()
      got = world.app:get "it"
      assert.equal("it", got)
    end)
  end)

  it("fails for all who asked with the same words, and the next one tries again", function()
    life.run(function(world)
      local made, got = 0, {}
      provide(world.app, "it", "singleton", { make = function(scope)
        made = made + 1
        scope:defer(function() got.cleaned = (got.cleaned or 0) + 1 end)
        neap.sleep(0.01)
        if made == 1 then return nil, "no route", "refused" end
        return "it"
      end })
      for i = 1, 3 do
        neap.spawn(function() got[i] = table.pack(world.app:get "it") end)
      end
      life.wait_until(function() return #got == 3 end)
      for i = 1, 3 do
        assert.same({ 'cannot make singleton "it" (LINE): no route', "refused" },
          { without_lines(got[i][2]), got[i][3] })
      end
      assert.equal(1, got.cleaned)
      assert.equal("it", world.app:get "it")
      assert.equal(2, made)
    end)
  end)

  it("fails with what make raised, once in the log with its traceback", function()
    local text = quietly(function()
      life.run(function(world)
        provide(world.app, "it", "scoped", { make = function() error "on purpose" end })
        provide(world.app, "nothing", "scoped", { make = function() end })
        provide(world.app, "odd", "scoped", { make = function() return nil, "odd", "E_ODD" end })
        provide(world.app, "above", "scoped", { needs = { "it" } })
        local own <close> = world.app:child()
        for _ = 1, 2 do
          local value, message, code = own:get "it"
          assert.is_nil(value)
          assert.equal('cannot make scoped "it" (LINE): LINE: on purpose', without_lines(message))
          assert.equal("io", code)
        end
        assert.matches("make returned nothing", (select(2, own:get "nothing")))
        assert.equal("io", code_of(own:get "odd"))
        assert.equal('cannot make scoped "above" (LINE): cannot make scoped "it" (LINE): '
          .. "LINE: on purpose", without_lines((select(2, own:get "above"))))
      end)
    end)
    local _, times = text:gsub('error in make of scoped "it"[^\n]*purpose\n.-stack traceback', "")
    assert.equal(3, times)
  end)

  it("owns what it opens, pools and loans too, until the value ends", function()
    life.run(function(world)
      local app, events = world.app, {}
      local function note(text) return function() events[#events + 1] = text end end
      provide(app, "pool", "singleton", { make = function()
        return neap.pool { make = function() return {} end, dispose = note "item gone" }
      end, dispose = note "pool disposed" })
      provide(app, "session", "scoped", { needs = { "pool" }, make = function(scope, pool)
        scope:own { close = note "owned closed" }
        return assert(pool:borrow()).item
      end, dispose = note "session disposed" })
      do
        local own <close> = app:child()
        assert(own:get "session")
        neap.sleep(0.01)
        assert.same({ 1, 0 }, { own:get "pool":count() })
      end
      assert.same({ 1, 1 }, { app:get "pool":count() })
      assert.same({ "session disposed", "owned closed" }, events)
      app.scope:close()
      assert.same({ "pool disposed", "item gone" }, { events[3], events[4] })
    end)
  end)

  for _, lifetime in ipairs { "singleton", "scoped", "transient" } do
    it("is cancelled with its scope: " .. lifetime, function()
      life.run(function(world)
        local list, woken, code = provide(world.app, "it", lifetime, { make = function()
          neap.sleep(60)
          neap.sleep(60)
        end }), false, nil
        local own = world.app:child()
        neap.spawn(function()
          code = code_of(own:get "it")
          woken = true
        end)
        neap.sleep(0.01)
        if lifetime == "singleton" then world.app.scope:close() else own:close() end
        life.wait_until(function() return woken end)
        assert.equal("closed", code)
        assert.same({}, list)
      end)
    end)
  end

  it("that ends too late is disposed of at once", function()
    life.run(function(world)
      local own, got = world.app:child(), nil
      local list = provide(world.app, "it", "scoped", { make = function(scope)
        scope:shield(10, function()
          repeat neap.sleep(0.01) until own:cancelled()
        end)
        return "it"
      end })
      own:spawn(function() got = table.pack(own:get "it") end)
      neap.sleep(0.01)
      own:close()
      assert.same({ "-it" }, list)
      assert.is_nil(got[1])
    end)
  end)
end)
