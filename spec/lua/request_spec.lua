local fake_core = require "spec.support.fake_core"

describe("a request", function()
  local core, request, req

  before_each(function()
    core = fake_core.install()
    request = require "neap.request"
    request.install(core.methods.request)
    req = core.request {
      target = "/%61?x=1&y=a+b%21&x=2&flag&bad=%zz",
      headers = { host = "h", cookie = 'sid="abc"; theme=dark; sid=other; odd' },
    }
    request.prepare(core.env(req), req, request.make_env_mt { label = "app" })
  end)

  after_each(fake_core.remove)

  it("has its path decoded", function()
    assert.equal("/a", req.path)
  end)

  it("reads its query when it is looked at", function()
    assert.is_nil(rawget(core.env(req), "query"))
    assert.same({ x = "1", y = "a b!", flag = "", bad = "%zz" }, req.query)
    assert.equal(req.query, req.query)
  end)

  it("reads cookies, of which the first of a name counts", function()
    assert.same({ sid = "abc", theme = "dark" }, req.cookies)
    assert.equal("dark", req:cookie "theme")
    assert.is_nil(req:cookie "none")
  end)

  it("has headers by name in any case", function()
    assert.equal("h", req.headers.host)
    assert.equal("h", req.headers.Host)
    assert.is_nil(req.headers.origin)
  end)

  it("has a ctx of its own to write to", function()
    req.ctx.user = "anna"
    assert.equal("anna", req.ctx.user)
    assert.same({}, req.params)
  end)

  it("makes a scope below the app's when asked, and ends it", function()
    request.finish(core.env(req))
    local own = req.scope
    assert.equal("app", own.parent.label)
    assert.equal(own, req:child().parent)
    request.finish(core.env(req))
    assert.is_true(own.is_closed)
  end)

  for target, wanted in pairs {
    ["/a?b=c?d"] = { "/a", "b=c?d" },
    ["/"] = { "/", "" },
    ["http://host:80/a?b"] = { "/a", "b" },
    ["http://host"] = { "/", "" },
    ["http://host?q"] = { "/", "q" },
    ["*"] = { "*", "" },
  } do
    it("splits " .. target, function()
      assert.same(wanted, { request.split_target(target) })
    end)
  end

  it("makes answers of text, pages and JSON", function()
    local text = req:text("hi", 201, { ["X-A"] = "1" })
    assert.same({ 201, "hi", "1", "text/plain; charset=utf-8" },
      { text.status, text.body, text.headers["X-A"], text.headers["Content-Type"] })
    assert.equal("text/html; charset=utf-8", req:html("<p>").headers["Content-Type"])
    local value = req:json { id = 7 }
    assert.same({ '{"id":7}', "application/json" }, { value.body, value.headers["Content-Type"] })
  end)

  it("keeps the content type that it is given", function()
    local answer = req:text("a,b", 200, { ["content-type"] = "text/csv" })
    assert.same({ ["content-type"] = "text/csv" }, answer.headers)
  end)

  it("sends on, and refuses", function()
    local moved = req:redirect "/b"
    assert.same({ 303, "/b" }, { moved.status, moved.headers.Location })
    local refused = req:reject(401, nil, { ["WWW-Authenticate"] = "Basic" })
    assert.same({ 401, "Unauthorized\n" }, { refused.status, refused.body })
  end)

  for wanted, make in pairs {
    ["header X-A holds a line break or NUL"] = function(r)
      local _ = r:text("", 200, { ["X-A"] = "1\r\nSet-Cookie: a=b" })
    end,
    ["header X-B holds a line break or NUL"] = function(r)
      local _ = r:reject(403, "", { ["X-B"] = { "fine", "no\0" } })
    end,
    ['"X A" is no header name'] = function(r) local _ = r:text("", 200, { ["X A"] = "1" }) end,
    ["header Content-Length is set by neap itself"] = function(r)
      local _ = r:text("", 200, { ["Content-Length"] = "1" })
    end,
    ["header X-C must be a string, not boolean"] = function(r)
      local _ = r:text("", 200, { ["X-C"] = true })
    end,
    ["the location holds a space or control character"] = function(r)
      local _ = r:redirect "/a\r\nX: y"
    end,
    ["a status must be a whole number from 200 to 599, not 99"] = function(r)
      local _ = r:text("", 99)
    end,
    ["a status must be a whole number from 400 to 599, not 200"] = function(r)
      local _ = r:reject(200)
    end,
    ["the body must be a string or function, not number"] = function(r) local _ = r:text(5) end,
  } do
    it("refuses, at the script's line: " .. wanted, function()
      local ok, message = pcall(make, req)
      assert.is_false(ok)
      assert.matches("^spec/lua/request_spec%.lua:%d+: ", message)
      assert.equal(wanted, message:match ":%d+: (.*)$")
    end)
  end

  it("names no place rather than a wrong one behind a script's tail call", function()
    local _, message = pcall(function() return req:text(5) end)
    assert.equal("the body must be a string or function, not number", message)
  end)
end)
