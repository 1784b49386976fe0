local router = require "neap.router"

describe("the router", function()
  local routes

  before_each(function()
    routes = router.new()
  end)

  local function add(...)
    for _, pattern in ipairs { ... } do
      assert(routes:add("GET", pattern, { where = "app.lua:" .. #routes.leaves + 1 }))
    end
  end

  -- The pattern that a path reaches, and its parameters.
  local function find(path)
    local leaf, values = routes:find(path)
    if not leaf then return nil, values end
    return leaf.pattern, router.params(leaf.entries.GET, values)
  end

  it("finds a path without parameters as it is written", function()
    add("/", "/chat", "/chat/")
    assert.equal("/", (find "/"))
    assert.equal("/chat", (find "/chat"))
    assert.equal("/chat/", (find "/chat/"))
    assert.is_nil((find "/Chat"))
    assert.is_nil((find "/chat/x"))
    assert.is_nil((find ""))
  end)

  it("takes a segment for :name", function()
    add("/chat/:room/:user")
    local pattern, params = find "/chat/north/anna"
    assert.equal("/chat/:room/:user", pattern)
    assert.same({ room = "north", user = "anna" }, params)
    assert.is_nil((find "/chat/north"))
    assert.is_nil((find "/chat//anna"))
    assert.is_nil((find "/chat/north/anna/x"))
  end)

  it("takes what is left for *rest", function()
    add("/files/*path")
    assert.same({ path = "a/b.txt" }, select(2, find "/files/a/b.txt"))
    assert.same({ path = "" }, select(2, find "/files/"))
    assert.is_nil((find "/files"))
  end)

  it("prefers a static segment to :name, and :name to *rest", function()
    add("/*rest", "/:a", "/x", "/x/:b/c", "/:a/y/c")
    assert.equal("/x", (find "/x"))
    assert.equal("/:a", (find "/z"))
    assert.equal("/*rest", (find "/z/z"))
    assert.equal("/x/:b/c", (find "/x/y/c"))
    assert.equal("/:a/y/c", (find "/w/y/c"))
  end)

  it("comes back from a static segment that leads nowhere", function()
    add("/a/b/d", "/a/:x/c", "/*rest")
    local pattern, params = find "/a/b/c"
    assert.equal("/a/:x/c", pattern)
    assert.same({ x = "b" }, params)
    assert.same({ rest = "a/b/e" }, select(2, find "/a/b/e"))
  end)

  it("undoes percent-encoding, inside of segments only", function()
    add("/chat/:room", "/hallå", "/a/b")
    assert.same({ room = "a b/ü" }, select(2, find "/chat/a%20b%2F%c3%BC"))
    assert.equal("/chat/:room", (find "/ch%61t/x"))
    assert.equal("/hallå", (find "/hall%C3%A5"))
    assert.is_nil((find "/a%2Fb"))
  end)

  for _, path in ipairs { "/chat/%", "/chat/%4", "/chat/%zz", "/chat/%00", "/chat/a%%20" } do
    it("calls badly encoded: " .. path, function()
      add "/chat/:room"
      assert.same({ nil, "bad" }, { find(path) })
    end)
  end

  it("names the place of the route that was there before", function()
    add "/chat/:room"
    local entry, message = routes:add("GET", "/chat/:name", { where = "app.lua:9" })
    assert.is_nil(entry)
    assert.equal("get /chat/:name is registered already, at app.lua:1", message)
  end)

  it("keeps methods apart, with parameter names of their own", function()
    assert(routes:add("GET", "/:a", {}))
    assert(routes:add("POST", "/:b", {}))
    local leaf, values = routes:find "/x"
    assert.same({ a = "x" }, router.params(leaf.entries.GET, values))
    assert.same({ b = "x" }, router.params(leaf.entries.POST, values))
    assert.equal("GET, HEAD, POST", router.allow(leaf))
  end)

  it("lists GET for a path that speaks WebSocket", function()
    assert(routes:add("WS", "/", {}))
    assert.equal("GET", router.allow((routes:find "/")))
  end)

  for pattern, wanted in pairs {
    ["chat"] = "must begin with /",
    ["/a b"] = "must not hold spaces",
    ["/a?b"] = "must not hold spaces, ? or #",
    ["/:"] = "needs a name behind :",
    ["/:a-b"] = "needs a name behind :",
    ["/:a/:a"] = "names a twice",
    ["/*all/x"] = "can have *all at its end only",
  } do
    it(("refuses %s: %s"):format(pattern, wanted), function()
      local entry, message = routes:add("GET", pattern, {})
      assert.is_nil(entry)
      assert.matches(wanted, message, 1, true)
    end)
  end
end)
