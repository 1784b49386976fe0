local fake_core = require "spec.support.fake_core"

describe("an app", function()
  local core, neap, app

  before_each(function()
    core = fake_core.install()
    neap = require "neap"
    app = neap.app()
  end)

  after_each(fake_core.remove)

  local function ok() return "ok" end

  -- What a misuse says, without the place, which must be a line of this file.
  local function misuse(fn, ...)
    local fine, message = pcall(fn, ...)
    assert.is_false(fine)
    local place, rest = message:match "^(spec/lua/app_spec%.lua:%d+): (.*)$"
    assert.is_string(place, message)
    return rest
  end

  it("knows its options, at the script's line", function()
    assert.equal("unknown option limits.mesage; did you mean message?",
      misuse(function() neap.app { limits = { mesage = "1M" } } end))
    assert.equal("neap.app's options must be a table or nil, not string",
      misuse(function() neap.app "x" end))
  end)

  it("knows the options and callbacks of a route", function()
    assert.equal("unknown option mesage; did you mean message?",
      misuse(function() app:ws("/", { mesage = ok }) end))
    assert.equal("message must be a function or nil, not string",
      misuse(function() app:ws("/", { message = "hi" }) end))
    assert.equal("a route is either a function or message, not both",
      misuse(function() app:ws("/", { message = ok }, ok) end))
    assert.equal("app:ws's handlers must be a table, not nil",
      misuse(function() app:ws "/" end))
    assert.equal("a b is no name for a protocol",
      misuse(function() app:ws("/", { protocols = { "a b" } }) end))
  end)

  it("names both lines of a path that is registered twice", function()
    app:get("/a/:x", ok)
    local message = misuse(function() app:get("/a/:y", ok) end)
    assert.matches("^get /a/:y is registered already, at spec/lua/app_spec%.lua:%d+$", message)
  end)

  it("refuses routes and middleware once it listens", function()
    assert(app:listen "http://127.0.0.1:0")
    assert.matches("before the app listens", misuse(function() app:get("/", ok) end))
    assert.matches("before the app listens", misuse(function() app:use(ok) end))
  end)

  it("says why it can't listen", function()
    assert.same({ nil, "cannot listen on http://127.0.0.1:1: address already in use", "busy" },
      { app:listen "http://127.0.0.1:1" })
    assert.is_nil((app:listen "nowhere"))
  end)

  it("gives routes with the same options one settings object", function()
    app:ws("/a", { message = ok })
    app:ws("/b", { message = ok })
    app:ws("/c", { message = ok, timeouts = { ping = 1 } })
    assert(app:listen "http://127.0.0.1:0")
    local a, b, c = table.unpack(app.routes)
    assert.equal(a.core.settings, b.core.settings)
    assert.equal(1, c.core.settings.ping)
    assert.equal(a.core.settings, core.listeners[1].given.settings)
  end)

  it("lets the command line go before the script, and a route before both", function()
    require("neap.serve").command = { set = { ["timeouts.ping"] = 7, ["limits.queue"] = 99 } }
    app = neap.app { timeouts = { ping = 3 } }
    app:ws("/", { message = ok, limits = { queue = 5 } })
    assert(app:listen "http://127.0.0.1:0")
    local settings = app.routes[1].core.settings
    assert.same({ 7, 5 }, { settings.ping, settings.queue })
  end)

  it("runs a function as a task of the connection", function()
    app:ws("/", ok)
    app:ws("/limited", { limits = { message = "1K" } }, ok)
    assert(app:listen "http://127.0.0.1:0")
    for _, route in ipairs(app.routes) do
      assert.equal(ok, route.core.task)
      assert.is_nil(route.core.open)
    end
  end)
end)

describe("neap", function()
  setup(fake_core.install)
  teardown(fake_core.remove)

  it("offers what exists, and nothing else", function()
    local neap = require "neap"
    assert.equal("0.1.0", neap.version)
    assert.is_function(neap.app)
    assert.is_nil(neap.flotilla)
  end)
end)
