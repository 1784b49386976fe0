local fake_core = require "spec.support.fake_core"

describe("what an app provides", function()
  local app

  before_each(function()
    fake_core.install()
    app = require("neap").app()
  end)

  after_each(fake_core.remove)

  local function make() return {} end

  local function value(lifetime, needs)
    return { lifetime = lifetime, needs = needs, make = make }
  end

  -- What a misuse says, without the place, which must be a line of this file.
  local function misuse(fn, ...)
    local fine, message = pcall(fn, ...)
    assert.is_false(fine)
    local place, rest = message:match "^(spec/lua/provide_spec%.lua:%d+): (.*)$"
    assert.is_string(place, message)
    return rest
  end

  -- What is wrong with the whole, with each line of this file as LINE.
  local function wrong()
    local fine, message = pcall(app.listen, app, "http://127.0.0.1:0")
    assert.is_false(fine)
    return (message:gsub("spec/lua/provide_spec%.lua:%d+", "LINE"))
  end

  it("is checked where it is declared", function()
    assert.equal('unknown option lifetme of app:provide("db"); did you mean lifetime?',
      misuse(function() app:provide("db", { lifetme = "scoped", make = make }) end))
    assert.equal('app:provide("db")\'s lifetime must be one of singleton, scoped, transient, '
      .. "not scopd; did you mean scoped?", misuse(function() app:provide("db", value "scopd") end))
    assert.equal('app:provide("db")\'s make must be a function, not nil',
      misuse(function() app:provide("db", { lifetime = "scoped" }) end))
    assert.equal('app:provide("db")\'s needs must be a list of names',
      misuse(function() app:provide("db", value("scoped", { config = true })) end))
    assert.equal('app:provide("db")\'s needs must be a string, not number',
      misuse(function() app:provide("db", value("scoped", { 1 })) end))
    assert.equal("app:provide's name must be a string, not table",
      misuse(function() app:provide(value "scoped") end))
    assert.equal('app:provide("db")\'s options must be a table, not function',
      misuse(function() app:provide("db", make) end))
  end)

  it("has each name once, and both lines where it has not", function()
    app:provide("db", value "scoped")
    assert.matches('^scoped "db" %(spec/lua/provide_spec%.lua:%d+%) is there already$',
      misuse(function() app:provide("db", value "singleton") end))
  end)

  it("is declared before the app listens", function()
    assert(app:listen "http://127.0.0.1:0")
    assert.equal("values are provided before the app listens",
      misuse(function() app:provide("db", value "scoped") end))
  end)

  it("needs what is there", function()
    app:provide("session", value "scoped")
    app:provide("user", value("scoped", { "sesion" }))
    assert.equal('LINE: scoped "user" (LINE) needs "sesion", which nothing provides; '
      .. "did you mean session?", wrong())
  end)

  it("may be declared in any order", function()
    app:provide("user", value("scoped", { "session", "config" }))
    app:provide("session", value("scoped", { "config" }))
    app:provide("config", value "singleton")
    assert(app:listen "http://127.0.0.1:0")
  end)

  it("needs nothing that needs it again", function()
    app:provide("outside", value("singleton", { "a" }))
    app:provide("a", value("singleton", { "b" }))
    app:provide("b", value("transient", { "c" }))
    app:provide("c", value("singleton", { "a" }))
    assert.equal('LINE: a cycle: singleton "a" (LINE) needs transient "b" (LINE) '
      .. 'needs singleton "c" (LINE) needs "a"', wrong())
  end)

  it("does not need itself", function()
    app:provide("a", value("scoped", { "a" }))
    assert.equal('LINE: a cycle: scoped "a" (LINE) needs "a"', wrong())
  end)

  it("lets no singleton need what is scoped", function()
    app:provide("session", value "scoped")
    app:provide("hub", value("singleton", { "session" }))
    assert.equal('LINE: singleton "hub" (LINE) would capture scoped "session" (LINE); '
      .. 'ask for it with scope:factory("session") when it is needed', wrong())
  end)

  it("lets no singleton need what is scoped over several steps", function()
    app:provide("top", value("singleton", { "hub" }))
    app:provide("hub", value("singleton", { "fine", "cache" }))
    app:provide("fine", value "transient")
    app:provide("cache", value("transient", { "fine", "store" }))
    app:provide("store", value("transient", { "session" }))
    app:provide("session", value "scoped")
    assert.equal('LINE: singleton "hub" (LINE) would capture scoped "session" (LINE) '
      .. 'through transient "cache" (LINE) through transient "store" (LINE); '
      .. 'ask for it with scope:factory("session") when it is needed', wrong())
  end)
end)
