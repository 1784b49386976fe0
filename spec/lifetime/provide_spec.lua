local core = require "neap.core"
local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"

local function code_of(...)
  return (select(3, ...))
end

local function quietly(fn)
  local lines = {}
  log.configure { write = function(line) lines[#lines + 1] = line end }
  local ok, err = pcall(fn)
  log.configure { write = function(line) io.stderr:write(line) end }
  if not ok then error(err, 0) end
  return table.concat(lines)
end

local function without_lines(text)
  return (tostring(text):gsub("spec/lifetime/provide_spec%.lua:%d+", "LINE"))
end

-- What is provided, and a list of what was made (+) and disposed of (-).
local function provide(app, name, lifetime, given)
  given = given or {}
  local list = app.list or {}
  app.list = list
  app:provide(name, {
    lifetime = lifetime, needs = given.needs,
    make = given.make or function()
      list[#list + 1] = "+" .. name
      return { name = name }
    end,
    dispose = given.dispose or function() list[#list + 1] = "-" .. name end,
  })
  return list
end

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
  assert.equal("done", conn:receive(2))
  conn:close()
  conn:wait_closed(2)
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
        neap.sleep(0.03)
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
      local list = provide(world.app, "it", "scoped", { make = function(scope)
        scope:shield(5, function() neap.sleep(0.05) end)
        return "it"
      end })
      local own, got = world.app:child(), nil
      own:spawn(function() got = table.pack(own:get "it") end)
      neap.sleep(0.01)
      own:close()
      assert.same({ "-it" }, list)
      assert.is_nil(got[1])
    end)
  end)
end)

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
        neap.sleep(0.03)
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
      local own, is_closed = world.app:child(), false
      own:get "it".scope:spawn(function()
        own:shield(1, function() neap.sleep(0.05) end)
      end)
      neap.sleep(0)
      neap.spawn(function()
        own:close()
        is_closed = true
      end)
      neap.sleep(0.01)
      assert.is_false(is_closed)
      assert.equal("closed", code_of(own:get "it"))
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
        assert.equal("error", conn:wait_closed(2) and "error")
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
      provide(app, "a", "singleton", { make = function(scope)
        local helper = scope:spawn(function() scope:get "b" end)
        neap.sleep(0.01)
        helper:close()
        neap.sleep(0.03)
        return "a"
      end })
      provide(app, "b", "singleton", { make = function(scope)
        neap.sleep(0.02)
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
      conn:wait_closed(2)
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
