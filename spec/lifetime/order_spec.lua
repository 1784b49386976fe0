-- In which order the callbacks of a connection come, however short its life.

local life = require "spec.support.life"
local neap = require "neap"
local provided = require "spec.support.provided"
local test = require "neap.test"

describe("a connection whose peer has gone when it opens", function()
  local function play(leave)
    local told = {}
    neap.run(function()
      local app = neap.app()
      local world
      app:ws("/", {
        accept = function()
          neap.sleep(0.01)
          leave(world)
          return true
        end,
        open = function() told[#told + 1] = "open" end,
        close = function(_, why) told[#told + 1] = "close " .. why.cause end,
      })
      world = test.serve(app)
      assert.is_nil((world:connect "/"))
      test.clock:advance(1)
      world:close()
    end)
    life.check_census()
    return told
  end

  it("opens, and then closes", function()
    assert.same({ "open", "close reset" }, play(function(world) world:cut "reset" end))
  end)
end)

describe("a close handler", function()
  -- Both go on after the connection has closed, in the turn in which it did.
  local function play(name)
    local told, is_over = {}, false
    local function handler(conn)
      conn:terminate()
      conn:shield(1, function() neap.sleep(0.05) end)
      told[#told + 1] = name
    end
    life.run(function(world)
      world:ws("/", {
        [name] = handler,
        close = function()
          told[#told + 1] = "close"
          is_over = true
        end,
      })
      world:connect("/"):send "now"
      life.wait_until(function() return is_over end)
    end)
    return told
  end

  it("never runs beside a message handler that closed the connection, and waits", function()
    assert.same({ "message", "close" }, play "message")
  end)

  it("never runs beside an open handler that closed the connection, and waits", function()
    assert.same({ "open", "close" }, play "open")
  end)
end)

describe("a message handler that fails", function()
  it("has closed its <close> variables before the error handler and the next message", function()
    local told = {}
    life.quietly(function()
      life.run(function(world)
        world:ws("/", {
          message = function(_, data)
            told[#told + 1] = data
            local _ <close> = setmetatable({}, {
              __close = function() told[#told + 1] = data .. " over" end,
            })
            neap.sleep(0.01)
            if data == "one" then error "on purpose" end
          end,
          error = function(_, err) told[#told + 1] = err:match "on purpose" end,
        })
        local conn = world:connect "/"
        conn:send "one"
        conn:send "two"
        life.wait_until(function() return conn.state == "closed" end)
        life.wait_until(function() return told[5] end)
      end)
    end)
    assert.same({ "one", "one over", "on purpose", "two", "two over" }, told)
  end)
end)

describe("the end of an app", function()
  local list, app, world

  local function serve(handlers, options)
    app = neap.app(options)
    list = provided.value(app, "config", "singleton")
    provided.value(app, "db", "scoped", { needs = { "config" } })
    for path, each in pairs(handlers) do app:ws(path, each) end
    world = test.serve(app)
  end

  local function note(text)
    return function() list[#list + 1] = text end
  end

  it("comes after that of its connections, with all that they own", function()
    neap.run(function()
      serve { ["/"] = {
        open = function(conn)
          conn:defer(note "hook")
          conn:get "db"
        end,
        close = function(_, why) list[#list + 1] = "close " .. why.cause end,
      } }
      local conn = assert(world:connect "/")
      life.wait_until(function() return #list == 2 end)
      app.scope:close()
      assert.same({ "+config", "+db", "-db", "hook", "close cancelled", "-config" }, list)
      assert.equal(1001, conn:wait_closed(10).code)
    end)
    life.check_census()
  end)

  it("waits for a handler under a shield, and for a close handler that waits", function()
    neap.run(function()
      serve { ["/"] = {
        open = function(conn)
          conn:get "db"
          conn:shield(1, function()
            list[#list + 1] = "shielded"
            neap.sleep(0.05)
          end)
          list[#list + 1] = "opened"
        end,
        close = function()
          neap.sleep(0.01)
          list[#list + 1] = "closed"
        end,
      } }
      assert(world:connect "/")
      life.wait_until(function() return list[3] end)
      app.scope:close()
      assert.same({ "+config", "+db", "shielded", "opened", "-db", "closed", "-config" }, list)
    end)
    life.check_census()
  end)

  it("gives a close handler that never returns timeouts.cancel, and no more", function()
    neap.run(function()
      serve({ ["/"] = {
        close = function()
          local _ <close> = setmetatable({}, { __close = note "closed" })
          while true do neap.sleep(60) end
        end,
      } }, { timeouts = { cancel = 0.05 } })
      assert(world:connect "/")
      assert(app:get "config")
      app.scope:close()
      assert.same({ "+config", "closed", "-config" }, list)
    end)
    life.check_census()
  end)

  it("takes at most timeouts.close, whatever the peer does", function()
    neap.run(function()
      serve({ ["/"] = { close = function(_, why) list[#list + 1] = why.cause end } },
        { timeouts = { close = 0.05 } })
      assert(world:connect "/")
      assert(app:get "config")
      world:cut "stall"
      app.scope:close()
      assert.same({ "+config", "cancelled", "-config" }, list)
    end)
    life.check_census()
  end)

  it("ends a connection that is detached, and those of a mounted app", function()
    neap.run(function()
      app = neap.app()
      list = provided.value(app, "config", "singleton")
      local inner, kept = neap.app(), nil
      inner:ws("/", { open = function(conn)
        conn:get "config"
        conn:defer(note "inner")
      end })
      app:mount("/in", inner)
      app:ws("/", { open = function(conn)
        conn:detach()
        kept = conn
        conn:defer(note "detached")
      end })
      world = test.serve(app)
      assert(world:connect "/" and world:connect "/in")
      life.wait_until(function() return kept and list[1] end)
      app.scope:close()
      assert.equal("closed", kept.state)
      assert.equal("-config", table.remove(list))
      table.sort(list)
      assert.same({ "+config", "detached", "inner" }, list)
    end)
    life.check_census()
  end)

  it("lets in nobody who was still being asked", function()
    neap.run(function()
      local is_asking, code = false, nil
      serve { ["/"] = { accept = function(req)
        is_asking = true
        req:shield(10, function()
          repeat neap.sleep(0.01) until app.scope:cancelled()
        end)
        return true
      end, open = function() error "opened" end } }
      neap.spawn(function() code = select(3, world:connect "/") end)
      life.wait_until(function() return is_asking end)
      app.scope:close()
      life.wait_until(function() return code end)
      assert.equal("refused", code)
    end)
    life.check_census()
  end)

  it("lets in nobody by the short way that the ones before have opened", function()
    neap.run(function()
      app = neap.app()
      local inner = neap.app()
      app:ws("/", {})
      inner:ws("/", {})
      app:mount("/in", inner)
      world = test.serve(app)
      for _, path in ipairs { "/in", "/" } do
        assert(world:connect(path) and world:connect(path))
        if path == "/in" then inner.scope:close() else app.scope:close() end
        assert.equal("refused", (select(3, world:connect(path))))
      end
    end)
    life.check_census()
  end)

  it("closes its listeners", function()
    neap.run(function()
      app = neap.app()
      app:ws("/", {})
      local listener = app:listen "http://127.0.0.1:0"
      app.scope:close()
      assert.is_nil((listener:address()))
    end)
    life.check_census()
  end)

  it("comes with that of neap.run, and is then over", function()
    local causes = {}
    neap.run(function()
      app = neap.app()
      app:ws("/", { close = function(_, why) causes[#causes + 1] = why.cause end })
      world = test.serve(app)
      assert(world:connect "/")
    end)
    assert.same({ "cancelled" }, causes)
    life.check_census()
  end)
end)
