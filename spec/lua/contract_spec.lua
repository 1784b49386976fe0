-- The names that users type: each exists, and is what it should be.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do list[#list + 1] = word end
  return list
end

local function is_callable(value)
  local mt = getmetatable(value)
  return type(value) == "function" or type(mt) == "table" and type(mt.__call) == "function"
end

local function check_methods(object, names)
  for _, name in ipairs(words(names)) do
    assert(is_callable(object[name]), ("%s has no method %s"):format(tostring(object), name))
  end
end

local SCOPE = "spawn after every own defer on_cancel child get cancel cancelled shield label"

describe("neap", function()
  for _, name in ipairs(words [[
    app run connect client fleet scope spawn sleep now timer channel lock pool census audit get
  ]]) do
    it("has the function " .. name, function() assert.is_true(is_callable(neap[name])) end)
  end

  for name, members in pairs {
    log = "debug info warn error", codec = "", middleware = "", worker = "",
    test = "no_leaks cut_everywhere",
  } do
    it("has the table " .. name, function()
      assert.equal("table", type(neap[name]))
      check_methods(neap[name], members)
    end)
  end

  it("has a version, a clock and the census's diff", function()
    assert.matches("^%d+%.%d+", neap.version)
    assert.equal("float", math.type(neap.now()))
    assert.is_true(is_callable(neap.census.diff))
  end)
end)

describe("the methods", function()
  it("of an app are there", function()
    local app = neap.app {}
    check_methods(app, SCOPE .. [[ use ws get post put patch delete head any static mount provide
      service publish each count census reload drain stop listen run]])
    app.scope:close()
  end)

  it("of a scope are there", function()
    life.run(function()
      local scope <close> = neap.scope()
      check_methods(scope, SCOPE .. " close")
    end)
  end)

  it("of a handle are there", function()
    life.run(function()
      local scope <close> = neap.scope()
      for _, handle in ipairs {
        scope:spawn(function() end), scope:after(1, print), scope:every(1, print),
        scope:own(neap.channel()), scope:defer(function() end), scope:on_cancel(function() end),
      } do
        check_methods(handle, "close")
      end
    end)
  end)

  it("and fields of a connection are there, on both sides", function()
    life.run(function(world)
      local seen
      local function check(conn)
        check_methods(conn, SCOPE .. [[ send text binary json send_wait receive messages ping
          buffered pause resume subscribe unsubscribe topics publish close wait_closed terminate
          detach]])
        assert.equal("integer", math.type(conn.id))
        assert.equal("open", conn.state)
        assert.matches("^127", conn.remote)
        local mt = debug.getmetatable(conn)
        check_methods(mt, "__gc __close __tostring")
        assert.equal("string", type(mt.__name))
      end
      world:ws("/", {
        protocols = { "one" },
        accept = function(req) return { path = req.path } end,
        open = function(conn, req)
          check(conn)
          seen = { conn.data.path, conn.protocol, conn.request == req }
        end,
      })
      local client <close> = world:connect("/", { protocols = { "one" } })
      check(client)
      life.wait_until(function() return seen end)
      assert.same({ "/", "one", true }, seen)
    end)
  end)

  it("and fields of a request are there", function()
    life.run(function(world)
      local failed = "not asked"
      world.app:get("/:id", function(req)
        local ok, err = pcall(function()
          check_methods(req, SCOPE .. [[ header cookie body read json text html redirect reject
            events]])
          assert.same({ "GET", "/7", "7", "b" },
            { req.method, req.path, req.params.id, req.query.a })
          for _, name in ipairs { "headers", "cookies", "ctx", "scope" } do
            assert.equal("table", type(req[name]), name)
          end
          assert.matches("^127", req.remote)
          assert.is_nil(req.tls)
        end)
        failed = not ok and err
        return req:text "ok"
      end)
      assert.equal(200, (world:ask "/7?a=b"))
      assert.is_false(failed)
    end)
  end)

  it("of a client that keeps its connection up are there", function()
    life.run(function(world)
      world:ws("/", { message = print })
      local calls = {}
      local client = neap.client {
        url = ("ws://127.0.0.1:%d/"):format(world:port()), outbox = "1M",
        reconnect = { min = 0.5, max = 30, jitter = "full" },
        on_up = function() calls[#calls + 1] = "up" end,
        on_down = function() calls[#calls + 1] = "down" end,
      }
      check_methods(client, "send messages close")
      assert.equal("string", type(client.state))
      client:wait_open(5)
      client:close()
      life.wait_until(function() return #calls == 2 end)
      assert.same({ "up", "down" }, calls)
    end)
  end)
end)

describe("the census", function()
  it("has every class of the contract, with its fields", function()
    local counts = core.counts()
    for _, class in ipairs(words [[
      listener conn stream tls timer task scope request subscription topic frame_buffer deflate
      inflate client service lua_ref
    ]]) do
      for _, field in ipairs(words "opened closed live peak bytes") do
        assert.equal("integer", math.type(counts[class][field]), class .. "." .. field)
      end
    end
  end)
end)
