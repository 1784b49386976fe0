local fake_core = require "spec.support.fake_core"

describe("the pipeline", function()
  local core, log, logged, app

  before_each(function()
    core = fake_core.install()
    logged = {}
    log = require "neap.log"
    log.configure { write = function(line) logged[#logged + 1] = line end }
    app = require("neap.app").new()
  end)

  after_each(fake_core.remove)

  local function ask(given, url)
    if not core.listeners[1] then assert(app:listen(url or "http://127.0.0.1:0")) end
    given.headers = given.headers or {}
    given.headers.host = given.headers.host or "localhost"
    local req = core.request(given)
    core.listeners[1].given.on_request(req)
    return req.sent or {}, req.upgraded
  end

  local function knock(target, headers)
    headers = headers or {}
    headers.upgrade = headers.upgrade or "websocket"
    headers["sec-websocket-version"] = headers["sec-websocket-version"] or "13"
    return ask { target = target, headers = headers }
  end

  local function text(body) return function(req) return req:text(body) end end

  describe("for HTTP", function()
    it("sends a string as plain text", function()
      app:get("/hi/:name", function(req) return "hello " .. req.params.name end)
      assert.same({
        status = 200, body = "hello anna",
        headers = "Content-Type: text/plain; charset=utf-8\r\n",
      }, (ask { target = "/hi/anna?x=1" }))
    end)

    it("sends a table with status, headers and body", function()
      app:get("/", function()
        return { status = 201, headers = { ["Set-Cookie"] = { "a=1", "b=2" } }, body = "x" }
      end)
      local sent = ask {}
      assert.equal(201, sent.status)
      assert.matches("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n", sent.headers, 1, true)
    end)

    it("answers 404, 405 with Allow, and 400 for a bad path", function()
      app:get("/a", text "a")
      app:post("/a", text "b")
      assert.equal(404, ask { target = "/b" }.status)
      local refused = ask { method = "PUT", target = "/a" }
      assert.equal(405, refused.status)
      assert.matches("Allow: GET, HEAD, POST\r\n", refused.headers, 1, true)
      assert.equal(400, ask { target = "/%zz" }.status)
    end)

    it("serves HEAD from get, and any method from any", function()
      app:get("/a", text "a")
      app:any("/b", text "b")
      assert.equal(200, ask { method = "HEAD", target = "/a" }.status)
      assert.equal(200, ask { method = "BREW", target = "/b" }.status)
    end)

    it("hides an error from the client and shows it in the log", function()
      app:get("/", function() error "secret" end)
      local sent = ask {}
      assert.same({ 500, "Internal Server Error\n" }, { sent.status, sent.body })
      assert.matches("error in handler get /: .-pipeline_spec%.lua:%d+: secret", logged[1])
      assert.matches("stack traceback", logged[1])
    end)

    it("names the handler that returns nothing", function()
      app:get("/", function() end)
      assert.equal(500, ask {}.status)
      assert.matches("handler get / returned nothing", logged[1], 1, true)
    end)

    it("answers 500 for a header that middleware broke", function()
      app:use("breaks", function(req, next)
        local answer = next(req)
        answer.headers["X-A"] = "1\r\nX: y"
        return answer
      end)
      app:get("/", text "a")
      assert.equal(500, ask {}.status)
      assert.matches("header X-A holds a line break", logged[1], 1, true)
    end)

    it("answers loopback names alone on a loopback listener", function()
      app:get("/", text "a")
      assert.equal(421, ask { headers = { host = "evil.org" } }.status)
      assert.equal(200, ask { headers = { host = "127.0.0.1:80" } }.status)
    end)

    it("answers every name on other listeners", function()
      app:get("/", text "a")
      assert.equal(200, ask({ headers = { host = "example.org" } }, "http://0.0.0.0:0").status)
    end)

    it("answers the names that the option hosts sets", function()
      app = require("neap.app").new { hosts = { "example.org" } }
      app:get("/", text "a")
      assert.equal(200, ask { headers = { host = "example.org" } }.status)
      assert.equal(421, ask { headers = { host = "localhost" } }.status)
    end)
  end)

  describe("with middleware", function()
    local seen

    local function mark(name)
      return function(req, next)
        seen[#seen + 1] = name .. ">"
        local answer = next(req)
        seen[#seen + 1] = "<" .. name
        return answer
      end
    end

    before_each(function() seen = {} end)

    it("runs in the order of registration, and back in reverse", function()
      app:use("a", mark "a"):use("b", mark "b")
      app:get("/", function()
        seen[#seen + 1] = "handler"
        return "x"
      end)
      assert.equal(200, ask {}.status)
      assert.equal("a> b> handler <b <a", table.concat(seen, " "))
    end)

    it("leaves alone the routes that stand before it", function()
      app:get("/early", text "early")
      app:use("a", mark "a")
      ask { target = "/early" }
      assert.same({}, seen)
    end)

    it("runs before 404 and 405 as well", function()
      app:use("a", mark "a")
      app:get("/", text "x")
      assert.equal(404, ask { target = "/none" }.status)
      assert.equal(405, ask { method = "PUT" }.status)
      assert.equal("a> <a a> <a", table.concat(seen, " "))
    end)

    it("stops at one that answers by itself", function()
      app:use("guard", function(req, _) return req:reject(401, "who are you?") end)
      app:use("a", mark "a")
      app:get("/", text "x")
      app:ws("/ws", function() end)
      local sent = ask {}
      assert.same({ 401, "who are you?\n" }, { sent.status, sent.body })
      local refused, upgraded = knock "/ws"
      assert.equal(401, refused.status)
      assert.is_nil(upgraded)
      assert.same({}, seen)
    end)

    for name, forgetful in pairs {
      ["returns nothing"] = function(req, next) next(req) end,
      ["returns true"] = function(req, next) next(req) return true end,
      ["returns false"] = function(_, _) return false end,
    } do
      it("lets nobody in when one " .. name .. ", and names it", function()
        app:use("outer", function(req, next) return next(req) end)
        app:use("auth", forgetful)
        app:ws("/", function() end)
        app:get("/page", text "secret")
        local sent, upgraded = knock "/"
        assert.equal(500, sent.status)
        assert.is_nil(upgraded)
        assert.equal(500, ask { target = "/page" }.status)
        assert.matches("middleware auth returned", logged[1], 1, true)
      end)
    end

    it("lets nobody in when one fails", function()
      app:use("auth", function(_, _) error "no database" end)
      app:ws("/", function() end)
      local sent, upgraded = knock "/"
      assert.equal(500, sent.status)
      assert.is_nil(upgraded)
      assert.matches("no database", logged[1])
    end)

    it("is named by its place when it has no name", function()
      app:use(function(_, _) end)
      app:get("/", text "x")
      ask {}
      assert.matches("middleware at .-pipeline_spec%.lua:%d+ returned nothing", logged[1])
    end)

    it("may add headers to the answer that lets a WebSocket in", function()
      app:use("a", function(req, next)
        local answer = next(req)
        answer.headers["Set-Cookie"] = "a=1"
        return answer
      end)
      app:ws("/", function() end)
      local _, upgraded = knock "/"
      assert.equal("Set-Cookie: a=1\r\n", upgraded.headers)
    end)
  end)

  it("adds a header set on the way in to whatever is answered", function()
    app:use(function(req, next)
      req:set_header("X-A", "1")
      return next(req)
    end)
    app:get("/", text "x"):get("/boom", function() error "x" end):ws("/ws", function() end)
    assert.matches("X-A: 1\r\n", ask({}).headers, 1, true)
    assert.matches("X-A: 1\r\n", ask({ target = "/boom" }).headers, 1, true)
    assert.equal("X-A: 1\r\n", select(2, knock "/ws").headers)
    local req = core.request {}
    assert.has_error(function() req:set_header("X-A", "1\r\nX-B: 2") end)
    assert.has_error(function() req:set_header("Content-Length", 5) end)
  end)

  describe("for a WebSocket", function()
    it("lets it in, with a route of the core", function()
      local function on_message() end
      app:ws("/feed", { message = on_message, limits = { message = "4K" } })
      local sent, upgraded = knock "/feed"
      assert.same({}, sent)
      assert.equal(on_message, upgraded.route.message)
      assert.equal(4096, upgraded.route.settings.message)
      assert.same({ "", nil, nil }, { upgraded.headers, upgraded.data, upgraded.protocol })
    end)

    it("answers a plain GET with 426", function()
      app:ws("/", function() end)
      local sent = ask {}
      assert.equal(426, sent.status)
      assert.matches("Upgrade: websocket\r\n", sent.headers, 1, true)
      assert.equal(405, ask { method = "POST" }.status)
    end)

    it("stands beside a page on the same path", function()
      app:get("/", text "page")
      app:ws("/", function() end)
      assert.equal("page", ask({}).body)
      assert.is_table((select(2, knock "/")))
    end)

    it("is answered as HTTP where there is no ws", function()
      app:get("/", text "page")
      assert.equal("page", knock("/").body)
      assert.equal(404, knock("/none").status)
    end)

    it("answers 426 with the version that it speaks", function()
      app:ws("/", function() end)
      local sent = knock("/", { ["sec-websocket-version"] = "8" })
      assert.equal(426, sent.status)
      assert.matches("Sec-WebSocket-Version: 13\r\n", sent.headers, 1, true)
    end)

    it("refuses pages of another origin, unless the route lets them in", function()
      app:ws("/own", function() end)
      app:ws("/open", { origins = "any" }, function() end)
      local sent, upgraded = knock("/own", { origin = "http://evil.org" })
      assert.equal(403, sent.status)
      assert.is_nil(upgraded)
      assert.is_table((select(2, knock("/own", { origin = "http://localhost" }))))
      assert.is_table((select(2, knock("/open", { origin = "http://evil.org" }))))
    end)

    it("chooses the first of the route's protocols that is offered", function()
      app:ws("/", { protocols = { "v2", "v1" } }, function() end)
      local function choose(offer)
        local _, upgraded = knock("/", { ["sec-websocket-protocol"] = offer })
        return upgraded.protocol
      end
      assert.equal("v2", choose "v1, v2")
      assert.equal("v1", choose "v1,v3")
      assert.is_nil(choose "v3")
      assert.is_nil(choose(nil))
    end)

    it("gets from accept what becomes conn.data", function()
      local data = { user = "anna" }
      app:ws("/data", { accept = function() return data end })
      app:ws("/none", { accept = function() return true end })
      assert.equal(data, select(2, knock "/data").data)
      assert.is_nil(select(2, knock "/none").data)
    end)

    for name, verdict in pairs { ["nothing"] = "nil", ["false"] = "false" } do
      it("is refused with 403 when accept returns " .. name, function()
        app:ws("/", { accept = load("return " .. verdict) })
        local sent, upgraded = knock "/"
        assert.equal(403, sent.status)
        assert.is_nil(upgraded)
        assert.matches("accept of ws / returned " .. verdict, logged[1], 1, true)
      end)
    end

    it("is refused as accept refuses", function()
      app:ws("/", { accept = function(req) return req:reject(402, "pay") end })
      local sent, upgraded = knock "/"
      assert.same({ 402, "pay\n" }, { sent.status, sent.body })
      assert.is_nil(upgraded)
    end)

    it("is refused with 503 while the app drains, also when it waited", function()
      app:ws("/", function() end)
      app:ws("/slow", { accept = function()
        app.draining = true
        return true
      end })
      local sent, upgraded = knock "/slow"
      assert.equal(503, sent.status)
      assert.is_nil(upgraded)
      sent = knock "/"
      assert.equal(503, sent.status)
      assert.matches("Retry-After: 5\r\n", sent.headers, 1, true)
    end)
  end)
end)
