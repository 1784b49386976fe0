local fake_core = require "spec.support.fake_core"

describe("the order of registration", function()
  local neap, app

  before_each(function()
    fake_core.install()
    neap = require "neap"
    app = neap.app()
  end)

  after_each(fake_core.remove)

  local function ok() return "ok" end
  local function pass(req, next) return next(req) end

  -- What is wrong, with line numbers relative to the caller's `base`.
  local function faults()
    local laid = require("neap.app").lay_out(app)
    local list = {}
    for _, fault in ipairs(require("neap.order").find(laid)) do
      assert.matches("^spec/lua/order_spec%.lua:%d+$", fault.where)
      list[#list + 1] = fault.message:gsub("spec/lua/order_spec%.lua:%d+", "LINE")
    end
    return list
  end

  it("is an error at start, and names both lines", function()
    app:any("/*rest", ok)
    app:get("/late", ok)
    local fine, message = pcall(app.listen, app, "http://127.0.0.1:0")
    assert.is_false(fine)
    local late, first = message:match(
      "^spec/lua/order_spec%.lua:(%d+): get /late can never run: any /%*rest "
        .. "%(spec/lua/order_spec%.lua:(%d+)%) answers every request under /; "
        .. "move it above that line$")
    assert.equal(1, late - first)
  end)

  it("lets nothing stand behind a catch-all of its method", function()
    app:get("/files/*path", ok)
    app:get("/files/a", ok):head("/files/b", ok)
    app:post("/files/a", ok):ws("/files/a", ok):get("/files", ok):get("/file/a", ok)
    local found = faults()
    assert.equal(2, #found)
    assert.equal("get /files/a can never run: get /files/*path (LINE) answers every "
      .. "GET request under /files; move it above that line", found[1])
    assert.matches("^head /files/b", found[2])
  end)

  it("lets nothing of any method stand behind any", function()
    app:any("/a/:id", ok)
    app:get("/a/:name", ok):ws("/a/:x", ok):get("/a/me", ok)
    assert.same({
      "get /a/:name can never run: any /a/:id (LINE) answers every method there; "
        .. "move it above that line",
      "ws /a/:x can never run: any /a/:id (LINE) answers every method there; "
        .. "move it above that line",
    }, faults())
  end)

  it("takes a terminal route for what it answers", function()
    app:get("/x/*path", ok)
    app.routes[1].terminal, app.routes[1].path = true, "/*path"
    app:ws("/feed", ok)
    app:use("auth", pass)
    local found = faults()
    assert.matches("^ws /feed can never run: get /%*path %(LINE%) answers every request under /;",
      found[1])
    assert.matches("^middleware auth can never run: get /%*path", found[2])
  end)

  it("lets middleware stand behind what leaves something over", function()
    app:get("/*rest", ok):use("late", pass):any("/a/*rest", ok):use("later", pass)
    assert.same({}, faults())
  end)

  it("knows that a function without next answers everything", function()
    app:use("closed", function(req) return req:reject(503) end)
    app:use("log", pass):get("/", ok)
    assert.same({
      "middleware log can never run: middleware closed (LINE) takes no next, so it answers "
        .. "every request; write function(req, next)",
      "get / can never run: middleware closed (LINE) takes no next, so it answers "
        .. "every request; write function(req, next)",
    }, faults())
  end)

  it("lets such a function stand last, and a vararg anywhere", function()
    app:use("all", function(...) return select(2, ...)((...)) end)
    app:get("/", ok):use("not found", function(req) return req:reject(404) end)
    assert.same({}, faults())
  end)

  it("tells of a mount that can't run in one line", function()
    local inner, other = neap.app(), neap.app()
    inner:use(pass):get("/", ok):mount("/deep", other)
    other:get("/x", ok)
    app:any("/api/*rest", ok):mount("/api/v1", inner)
    assert.same({ "mount /api/v1 can never run: any /api/*rest (LINE) answers every request "
      .. "under /api; move it above that line" }, faults())
  end)

  it("looks into mounted apps, and at what stands around them", function()
    local inner = neap.app()
    inner:any("/*rest", ok):get("/a", ok)
    app:mount("/api", inner):get("/api/b", ok):get("/api", ok):get("/b", ok)
    local found = faults()
    assert.equal(2, #found)
    assert.matches("^get /api/a can never run: any /api/%*rest", found[1])
    assert.matches("^get /api/b can never run: any /api/%*rest", found[2])
  end)

  it("takes a parameter for whatever may stand there", function()
    app:any("/:org/*rest", ok):get("/a", ok):get("/a/b", ok)
    local found = faults()
    assert.equal(1, #found)
    assert.matches("^get /a/b", found[1])
  end)
end)
