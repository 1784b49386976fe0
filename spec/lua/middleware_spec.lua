local core = require "neap.core"
local fake_core = require "spec.support.fake_core"

describe("neap.middleware", function()
  local fake, neap, app, logged, now

  before_each(function()
    fake = fake_core.install()
    fake.random, fake.is_secret, fake.codec = core.random, core.is_secret, core.codec
    now = 1000
    function fake.now() return now end
    function fake.set_remote(req, address, port)
      rawset(req, "remote", port == 0 and address or address .. ":" .. port)
    end
    function fake.owner() end
    neap, logged = require "neap", {}
    require("neap.log").configure { write = function(line) logged[#logged + 1] = line end }
    app = neap.app { hosts = { "a.org" } }
  end)

  after_each(fake_core.remove)

  local function ask(headers, target, method, remote)
    if not fake.listeners[1] then
      app:any("/*path", function(req)
        return req:json { user = req.ctx.user, remote = req.remote, id = req.id }
      end)
      assert(app:listen "http://127.0.0.1:0")
    end
    headers = headers or {}
    headers.host = "a.org"
    local req = fake.request { headers = headers, target = target, method = method }
    rawset(req, "is_closed", function() return false end)
    if remote then rawset(req, "remote", remote) end
    fake.listeners[1].given.on_request(req)
    local sent = req.sent
    sent.fields = {}
    for name, value in sent.headers:gmatch "([^\r\n:]+): ([^\r\n]*)" do
      sent.fields[name:lower()] = value
    end
    sent.saw = sent.status == 200 and require("dkjson").decode(sent.body) or nil
    return sent
  end

  local function misuse(fn, ...)
    local fine, message = pcall(fn, ...)
    assert.is_false(fine)
    local place, rest = message:match "^(spec/lua/middleware_spec%.lua:%d+): (.*)$"
    assert.is_string(place, message)
    return rest
  end

  local function basic(name, password)
    return "Basic " .. core.codec.base64(name .. ":" .. password)
  end

  it("is named by what it is, and can be called by other middleware", function()
    local limit = neap.middleware.rate_limit { requests = 1 }
    app:use(function(req, next)
      if req.path == "/free" then return next(req) end
      return limit(req, next)
    end)
    assert.same({ 200, 200, 429, 200 }, {
      ask({}, "/free").status, ask({}, "/").status, ask({}, "/").status, ask({}, "/free").status,
    })
  end)

  it("knows its names and options, at the script's line", function()
    local m = neap.middleware
    for expected, fn in pairs {
      ["there is no neap.middleware.cor; did you mean cors?"] = function() return m.cor end,
      ["unknown option request of neap.middleware.rate_limit; did you mean requests?"] =
        function() m.rate_limit { request = 1 } end,
      ["neap.middleware.rate_limit needs requests: requests = 100, per = 60"] =
        function() m.rate_limit() end,
      ["option requests of neap.middleware.rate_limit must be a whole number of 1 or more"] =
        function() m.rate_limit { requests = 0.5 } end,
      ["option per of neap.middleware.rate_limit must be a number above 0"] =
        function() m.rate_limit { requests = 1, per = 0 } end,
      ["option origins of neap.middleware.cors must be \"any\" or a list such as "
        .. "{\"https://app.example.org\"}"] = function() m.cors { origins = { "example.org" } } end,
      ["neap.middleware.cors: credentials = true needs a list of origins; \"any\" would let every "
        .. "page act for its visitor"] =
        function() m.cors { origins = "any", credentials = true } end,
      ["neap.middleware.basic_auth needs either users = {name = password} or "
        .. "check = fn(name, password, req)"] = function() m.basic_auth {} end,
      ["option users of neap.middleware.basic_auth must be a table of passwords by name; the one "
        .. "of anna is no text"] = function() m.basic_auth { users = { anna = "" } } end,
      ["option trusted of neap.middleware.real_ip must be a list of addresses and ranges: "
        .. "10.0.0.1/8 has bits set behind the first 8"] =
        function() m.real_ip { trusted = { "10.0.0.1/8" } } end,
      ["option header of neap.middleware.request_id must be the name of a header"] =
        function() m.request_id { header = "X Id" } end,
      ["option level of neap.middleware.access_log must be error, warn, info or debug"] =
        function() m.access_log { level = "loud" } end,
      ["middleware must be a function, not table"] = function() app:use("x", {}) end,
    } do
      assert.equal(expected, misuse(fn))
    end
  end)

  describe("basic_auth", function()
    before_each(function()
      app:use(neap.middleware.basic_auth {
        users = { anna = "secret", ["b b"] = "x:y" }, realm = "the house",
      })
    end)

    for name, value in pairs {
      ["without a header"] = false, ["of a wrong password"] = basic("anna", "secreT"),
      ["of a part of the password"] = basic("anna", "secre"),
      ["of the password and more"] = basic("anna", "secretsecret"),
      ["of an unknown name"] = basic("eve", "secret"), ["of an empty password"] = basic("anna", ""),
      ["of what is no base64"] = "Basic !!!", ["without a colon"] = "Basic YW5uYQ==",
      ["of another scheme"] = "Bearer " .. core.codec.base64 "anna:secret",
      ["that comes twice"] = basic("anna", "secret") .. ", " .. basic("anna", "secret"),
      ["with a line break in the name"] = basic("anna\n", "secret"),
    } do
      it("refuses a request " .. name, function()
        local sent = ask { authorization = value or nil }
        assert.equal(401, sent.status)
        assert.equal('Basic realm="the house", charset="UTF-8"', sent.fields["www-authenticate"])
      end)
    end

    it("lets in who is right, and says who it is", function()
      assert.equal("anna", ask({ authorization = basic("anna", "secret") }).saw.user)
      assert.equal("b b", ask({ authorization = "bAsIc " .. basic("b b", "x:y"):sub(7) }).saw.user)
    end)
  end)

  it("basic_auth asks a function, whose answer becomes the user", function()
    app:use(neap.middleware.basic_auth { check = function(name, password)
      return name == "a" and password == "b" and { id = 7 }
    end })
    assert.equal(7, ask({ authorization = basic("a", "b") }).saw.user.id)
    assert.equal(401, ask({ authorization = basic("a", "c") }).status)
  end)

  it("bearer takes a listed token, from the header alone", function()
    app:use(neap.middleware.bearer { tokens = { "t0ken", ["s3cret"] = "ci" } })
    assert.equal("ci", ask({ authorization = "Bearer s3cret" }).saw.user)
    assert.is_true(ask({ authorization = "bearer t0ken" }).saw.user)
    local missing, wrong = ask({}, "/?token=t0ken"), ask { authorization = "Bearer t0kem" }
    assert.same({ 401, 'Bearer realm="neap"' },
      { missing.status, missing.fields["www-authenticate"] })
    assert.same({ 401, 'Bearer realm="neap", error="invalid_token"' },
      { wrong.status, wrong.fields["www-authenticate"] })
    assert.equal(401, ask({ authorization = "Bearer ci" }).status)
  end)

  it("bearer looks into the query or a cookie where it is told to", function()
    app:use(neap.middleware.bearer { tokens = { "t" }, query = "token", cookie = "sid" })
    assert.equal(200, ask({}, "/?token=t").status)
    assert.equal(200, ask({ cookie = "a=b; sid=t" }).status)
    assert.equal(401, ask({ cookie = "sid=" }, "/?token=").status)
  end)

  describe("cors", function()
    local function use(options) app:use(neap.middleware.cors(options)) end
    local PAGE = "https://app.example.org"

    it("names the page that may read, and no other", function()
      use { origins = { PAGE, "https://*.example.net" }, expose = { "X-A", "X-B" } }
      local allowed, foreign = ask { origin = PAGE }, ask { origin = PAGE .. ".evil.org" }
      assert.equal(PAGE, allowed.fields["access-control-allow-origin"])
      assert.equal("X-A, X-B", allowed.fields["access-control-expose-headers"])
      assert.is_nil(allowed.fields["access-control-allow-credentials"])
      assert.is_nil(foreign.fields["access-control-allow-origin"])
      assert.same({ "Origin", "Origin", "Origin" },
        { allowed.fields.vary, foreign.fields.vary, ask({}).fields.vary })
      assert.equal("https://a.example.net",
        ask({ origin = "https://a.example.net" }).fields["access-control-allow-origin"])
      assert.is_nil(ask({ origin = "null" }).fields["access-control-allow-origin"])
    end)

    it("allows credentials to a listed page", function()
      use { origins = { PAGE }, credentials = true }
      assert.equal("true", ask({ origin = PAGE }).fields["access-control-allow-credentials"])
      assert.is_nil(ask({ origin = "https://x.org" }).fields["access-control-allow-credentials"])
    end)

    it("answers every page with a star, which needs no Vary", function()
      use { origins = "any" }
      local sent = ask { origin = "null" }
      assert.same({ "*" }, { sent.fields["access-control-allow-origin"], sent.fields.vary })
    end)

    it("keeps the Vary of an answer", function()
      use { origins = { PAGE } }
      app:get("/v", function(req) return req:text("x", 200, { vary = "Accept" }) end)
      assert.matches("vary: Accept\r\n.*Vary: Origin\r\n", ask({}, "/v").headers)
    end)

    it("answers preflights itself", function()
      use { origins = { PAGE }, methods = { "GET", "PUT" }, max_age = 60 }
      local function preflight(from, headers)
        return ask({ origin = from, ["access-control-request-method"] = "PUT",
          ["access-control-request-headers"] = headers }, "/", "OPTIONS")
      end
      local sent = preflight(PAGE, "X-A, content-type")
      assert.equal(204, sent.status)
      assert.same({ PAGE, "GET, PUT", "X-A, content-type", "60",
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers" }, {
        sent.fields["access-control-allow-origin"], sent.fields["access-control-allow-methods"],
        sent.fields["access-control-allow-headers"], sent.fields["access-control-max-age"],
        sent.fields.vary,
      })
      assert.equal(403, preflight("https://x.org").status)
      assert.is_nil(preflight(PAGE, "a: b").fields["access-control-allow-headers"])
      assert.equal(200, ask({ origin = PAGE }, "/", "OPTIONS").status)
    end)

    it("stands also on answers that report an error", function()
      use { origins = { PAGE } }
      app:get("/boom", function() error "x" end)
      local sent = ask({ origin = PAGE }, "/boom")
      assert.same({ 500, PAGE }, { sent.status, sent.fields["access-control-allow-origin"] })
    end)
  end)

  describe("rate_limit", function()
    it("answers 429 and when to come again, for each address", function()
      app:use(neap.middleware.rate_limit { requests = 2, per = 10 })
      assert.same({ 200, 200 }, { ask().status, ask().status })
      local refused = ask()
      assert.same({ 429, "5" }, { refused.status, refused.fields["retry-after"] })
      assert.equal(429, ask({}, "/", "GET", "127.0.0.1:99").status)
      assert.equal(200, ask({}, "/", "GET", "127.0.0.2:5000").status)
      now = now + 5
      assert.same({ 200, 429 }, { ask().status, ask().status })
    end)

    it("counts an IPv6 network of 64 bits as one", function()
      app:use(neap.middleware.rate_limit { requests = 1 })
      ask({}, "/", "GET", "[2001:db8::1]:1")
      assert.equal(429, ask({}, "/", "GET", "[2001:db8::ffff:2]:9").status)
      assert.equal(200, ask({}, "/", "GET", "[2001:db8:0:1::1]:1").status)
    end)

    it("takes a key of the script's, where nil is free", function()
      app:use(neap.middleware.rate_limit { requests = 1, message = "slowly",
        key = function(req) return req:header "x-key" end })
      local long = ("k"):rep(1000)
      assert.same({ 200, 429, 200, 429, 200, 200 }, {
        ask({ ["x-key"] = "a" }).status, ask({ ["x-key"] = "a" }).status,
        ask({ ["x-key"] = long .. "1" }).status, ask({ ["x-key"] = long .. "1" }).status,
        ask({ ["x-key"] = long .. "2" }).status, ask({}).status,
      })
      assert.equal("slowly\n", ask({ ["x-key"] = "a" }).body)
    end)

    it("may count handshakes alone", function()
      app:use(neap.middleware.rate_limit { requests = 1, of = "handshakes" })
      assert.same({ 200, 200, 200, 429 }, {
        ask().status, ask().status, ask({ upgrade = "websocket" }).status,
        ask({ upgrade = "websocket" }).status,
      })
    end)
  end)

  describe("request_id", function()
    it("takes a sane id, and returns it", function()
      app:use(neap.middleware.request_id())
      local sent = ask { ["x-request-id"] = "Root=1-67:a/b.c_d+e" }
      assert.equal("Root=1-67:a/b.c_d+e", sent.saw.id)
      assert.equal("Root=1-67:a/b.c_d+e", sent.fields["x-request-id"])
    end)

    it("makes one where none came, or one that is not sane", function()
      app:use(neap.middleware.request_id())
      local seen = {}
      for _, came in ipairs { false, "", "a b", "a\tb", 'a"b', "a;b", "é", ("x"):rep(129) } do
        local id = ask({ ["x-request-id"] = came or nil }).saw.id
        assert.matches("^%x+$", id)
        assert.equal(32, #id)
        assert.is_nil(seen[id])
        seen[id] = true
      end
    end)

    it("trusts nobody when told so, and uses another header", function()
      app:use(neap.middleware.request_id { trust = false, header = "X-Trace" })
      local sent = ask { ["x-trace"] = "abc" }
      assert.equal(32, #sent.fields["x-trace"])
    end)
  end)

  describe("real_ip", function()
    local function remote_of(value, peer, options)
      options = options or {}
      options.trusted = options.trusted or { "10.0.0.0/8", "fd00::/8" }
      app:use(neap.middleware.real_ip(options))
      return ask({ [(options.header or "X-Forwarded-For"):lower()] = value }, "/", "GET",
        peer or "10.0.0.1:99").saw.remote
    end

    for _, case in ipairs {
      { "nothing to read", nil, "10.0.0.1:99" },
      { "one client", "203.0.113.7", "203.0.113.7" },
      { "a client with a port", "203.0.113.7:4711", "203.0.113.7:4711" },
      { "an IPv6 client", "2001:db8::7", "2001:db8::7" },
      { "a chain of trusted proxies", "203.0.113.7, 10.9.9.9,10.8.8.8", "203.0.113.7" },
      { "an entry that the client made up", "1.1.1.1, 203.0.113.7", "203.0.113.7" },
      { "a made-up entry that names a proxy", "10.1.1.1, 203.0.113.7, 10.9.9.9", "203.0.113.7" },
      { "rubbish at the left", "<script>, 203.0.113.7", "203.0.113.7" },
      { "rubbish at the right", "203.0.113.7, unknown", "10.0.0.1:99" },
      { "rubbish behind a proxy", "203.0.113.7, x, 10.2.2.2", "10.2.2.2" },
      { "an empty entry", "203.0.113.7, , 10.2.2.2", "10.2.2.2" },
      { "proxies alone", "10.3.3.3, 10.2.2.2", "10.3.3.3" },
      { "IPv4 as IPv6", "::ffff:203.0.113.7", "203.0.113.7" },
      { "a trusted IPv4 as IPv6", "203.0.113.7, ::ffff:10.1.1.1", "203.0.113.7" },
      { "an empty header", "", "10.0.0.1:99" },
    } do
      it("finds the client behind " .. case[1], function()
        assert.equal(case[3], remote_of(case[2]))
      end)
    end

    it("believes nobody but the trusted", function()
      assert.equal("203.0.113.9:5", remote_of("1.1.1.1", "203.0.113.9:5"))
    end)

    it("may trust a unix socket", function()
      assert.equal("1.1.1.1", remote_of("1.1.1.1", "unix", { trusted = { "unix" } }))
    end)

    it("reads no header but the one it was told of", function()
      app:use(neap.middleware.real_ip { trusted = { "10.0.0.0/8" }, header = "Forwarded" })
      assert.equal("10.0.0.1:9", ask({ ["x-forwarded-for"] = "1.1.1.1" }, "/", "GET",
        "10.0.0.1:9").saw.remote)
    end)

    for _, case in ipairs {
      { "for=192.0.2.1", "192.0.2.1" },
      { 'For="[2001:db8::1]:4711";proto=https;by=10.1.1.1', "[2001:db8::1]:4711" },
      { 'proto=http; for="192.0.2.1:80"', "192.0.2.1:80" },
      { "for=1.1.1.1, for=192.0.2.1;proto=https, for=10.5.5.5", "192.0.2.1" },
      { 'for="1.1.1.1, for=192.0.2.1', "192.0.2.1" },
      { 'for="1.1.1.1", for=_hidden', "10.0.0.1:99" },
      { "for=unknown, for=10.2.2.2", "10.2.2.2" },
      { "proto=https", "10.0.0.1:99" },
      { "for=192.0.2.1 x", "10.0.0.1:99" },
      { ";;", "10.0.0.1:99" },
    } do
      it("reads Forwarded: " .. case[1], function()
        local seen = remote_of(case[1], nil, { header = "Forwarded" })
        assert.equal((case[2]:gsub("^%[(.*)%]:", "%1:")), (seen:gsub("^%[(.*)%]:", "%1:")))
      end)
    end
  end)

  describe("access_log", function()
    it("writes what was asked, what was answered, and how long it took", function()
      app:use(neap.middleware.access_log())
      app:use(neap.middleware.basic_auth { users = { anna = "x" } })
      app:use(function(req, next)
        now = now + 0.0127
        return next(req)
      end)
      local sent = ask({ authorization = basic("anna", "x") }, "/a?token=secret")
      assert.matches("Z info request bytes=" .. #sent.body .. " method=GET ms=12.7 path=/a "
        .. "remote=127.0.0.1:5000 status=200 user=anna\n$", logged[1])
    end)

    it("writes the query, fields of the script's, and nothing of what it skips", function()
      app:use(neap.middleware.access_log {
        query = true, level = "warn",
        fields = function(req, answer) return { agent = req:header "user-agent",
          kind = answer.headers["Content-Type"] } end,
        skip = function(req) return req.path == "/quiet" end,
      })
      ask({}, "/quiet")
      ask({ ["user-agent"] = 'evil" status=200\27[2J' }, "/a?b=c")
      assert.equal(1, #logged)
      assert.matches(' warn request agent="evil\\" status=200\\x1b[2J" bytes=', logged[1], 1, true)
      assert.matches(' path="/a?b=c" ', logged[1], 1, true)
    end)

    it("sees errors and refusals", function()
      app:use(neap.middleware.access_log())
      app:get("/boom", function() error "x" end)
      app:ws("/ws", function() end)
      ask({}, "/boom")
      assert.matches("status=500", logged[2])
      ask({ upgrade = "websocket", origin = "http://evil.org" }, "/ws")
      assert.matches("path=/ws .- status=403", logged[3])
    end)
  end)
end)
