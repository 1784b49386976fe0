local fake_core = require "spec.support.fake_core"

describe("a mounted app", function()
  local core, neap, app, inner, logged

  before_each(function()
    core = fake_core.install()
    neap = require "neap"
    logged = {}
    require("neap.log").configure { write = function(line) logged[#logged + 1] = line end }
    app, inner = neap.app(), neap.app()
  end)

  after_each(fake_core.remove)

  local function ok() return "ok" end

  local function ask(target, headers)
    if not core.listeners[1] then assert(app:listen "http://127.0.0.1:0") end
    headers = headers or {}
    headers.host = "localhost"
    local req = core.request { target = target, headers = headers }
    core.listeners[1].given.on_request(req)
    return req.sent or {}, req.upgraded
  end

  local function misuse(fn, ...)
    local fine, message = pcall(fn, ...)
    assert.is_false(fine)
    local place, rest = message:match "^(spec/lua/mount_spec%.lua:%d+): (.*)$"
    assert.is_string(place, message)
    return (rest:gsub("spec/lua/mount_spec%.lua:%d+", "LINE"))
  end

  local function mark(seen, name)
    return function(req, next)
      seen[#seen + 1] = name
      return next(req)
    end
  end

  it("answers beneath its prefix, also what it got after the mount", function()
    app:mount("/api", inner)
    inner:get("/users/:id", function(req) return "user " .. req.params.id .. req.path end)
    assert.equal("user 7/api/users/7", ask("/api/users/7").body)
    assert.equal(404, ask("/users/7").status)
  end)

  it("has its root at the prefix, with and without a slash", function()
    inner:get("/", ok)
    app:mount("/api/", inner)
    assert.equal("ok", ask("/api").body)
    assert.equal("ok", ask("/api/").body)
    assert.equal(404, ask("/").status)
  end)

  it("may be mounted at /, and in a mounted app", function()
    local deep = neap.app()
    deep:get("/x", ok)
    inner:mount("/deep", deep)
    app:mount("/", inner)
    assert.equal("ok", ask("/deep/x").body)
  end)

  it("gets the parameters of its prefix", function()
    inner:get("/rooms/:room", function(req) return req.params.org .. "/" .. req.params.room end)
    app:mount("/:org", inner)
    assert.equal("acme/lobby", ask("/acme/rooms/lobby").body)
  end)

  it("runs its middleware for its routes, behind what stood before the mount", function()
    local seen = {}
    app:use("first", mark(seen, "first"))
    inner:use("inner", mark(seen, "inner")):get("/x", ok)
    app:mount("/api", inner):use("late", mark(seen, "late")):get("/x", ok)
    ask "/api/x"
    assert.equal("first inner", table.concat(seen, " "))
    for i in ipairs(seen) do seen[i] = nil end
    ask "/x"
    assert.equal("first late", table.concat(seen, " "))
  end)

  it("runs its middleware also for what is missing beneath its prefix", function()
    local seen = {}
    app:use("first", mark(seen, "first"))
    inner:use("inner", mark(seen, "inner")):get("/x", ok)
    app:mount("/:any/api", inner):use("late", mark(seen, "late"))
    assert.equal(404, ask("/a/api/none").status)
    assert.equal("first inner late", table.concat(seen, " "))
    for i in ipairs(seen) do seen[i] = nil end
    assert.equal(404, ask("/a/none").status)
    assert.equal("first late", table.concat(seen, " "))
  end)

  it("lays its options over those above, and the command's over both", function()
    require("neap.serve").command = { set = { ["timeouts.pong"] = 1 } }
    app = neap.app { timeouts = { ping = 5, pong = 5, idle = 5 }, origins = "any" }
    inner = neap.app { timeouts = { ping = 7, pong = 7 } }
    inner:ws("/a", ok):ws("/b", { timeouts = { ping = 9 } }, ok)
    app:mount("/in", inner):ws("/c", ok)
    local from_elsewhere = { upgrade = "websocket", origin = "http://else",
      ["sec-websocket-version"] = "13" }
    for path, expected in pairs { ["/in/a"] = 7, ["/in/b"] = 9, ["/c"] = 5 } do
      local settings = select(2, ask(path, from_elsewhere)).route.settings
      assert.same({ expected, 1, 5 }, { settings.ping, settings.pong, settings.idle })
    end
  end)

  it("is mounted once, and not in itself", function()
    app:mount("/a", inner)
    assert.equal("the app made at LINE is mounted already, at LINE; make another one for this "
      .. "prefix", misuse(function() app:mount("/b", inner) end))
    assert.equal("an app can't be mounted in itself: the one made at LINE holds this one already",
      misuse(function() inner:mount("/b", app) end))
    assert.equal("an app can't be mounted in itself: the one made at LINE holds this one",
      misuse(function() app:mount("/b", app) end))
  end)

  it("does not listen by itself, nor after it did", function()
    app:mount("/a", inner)
    assert.equal("this app is mounted at /a (LINE); let the app that holds it listen",
      misuse(function() inner:listen "http://127.0.0.1:0" end))
    assert(app:listen "http://127.0.0.1:0")
    assert.matches("before the app listens", misuse(function() inner:get("/late", ok) end))
    assert.equal("the app made at LINE listens by itself already",
      misuse(function() neap.app():mount("/b", app) end))
  end)

  it("needs a prefix that can have paths behind it", function()
    assert.equal("prefix api must begin with /", misuse(function() app:mount("api", inner) end))
    assert.matches("can't have a %*rest", misuse(function() app:mount("/a/*b", inner) end))
    assert.equal("app:mount needs an app behind its prefix, not a string",
      misuse(function() app:mount("/a", "b") end))
  end)

  it("clashes with a route of the same path at the line of the later one", function()
    inner:get("/x", ok)
    app:get("/api/x", ok):mount("/api", inner)
    assert.equal("get /api/x is registered already, at LINE",
      misuse(function() app:listen "http://127.0.0.1:0" end))
  end)

  it("can't say which hosts are answered", function()
    inner = neap.app { hosts = { "a.org" } }
    app:mount("/api", inner)
    assert.equal("option hosts belongs to the app that listens, not to the one mounted at /api",
      misuse(function() app:listen "http://127.0.0.1:0" end))
  end)
end)
