-- The client's side of TLS: whom it trusts, and how it says what is wrong.

local certs_of = require "spec.support.certs"
local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

require("neap.log").configure { level = "error", write = function() end }

local certs

setup(function() certs = certs_of.new() end)
teardown(function() certs:remove() end)

-- Runs fn(port) beside a listener that speaks TLS with these certificates.
local function with_server(sources, fn, more)
  local app = neap.app()
  app:ws("/", { message = function(_, data) return data end })
  local settings, on_request = require("neap.app").prepare(app)
  local context = assert(core.tls_context {
    role = "server", certs = sources, ca = more and more.client_ca,
  })
  neap.run(function()
    local listener <close> = assert(core.listen {
      host = "127.0.0.1", port = 0, settings = settings, on_request = on_request, tls = context,
    })
    local _, port = listener:address()
    fn(port)
    for conn in core.conns() do conn:terminate() end
    app.scope:close()
  end)
  context:close()
  life.check_census()
end

local function echoes(conn)
  assert(conn:send "hello")
  local data = conn:receive(5)
  conn:close()
  conn:wait_closed(5)
  return data
end

local FAULTS = {
  expired = {
    { names = "DNS:localhost", days = -1 }, "has expired" },
  ["for another host"] = {
    { names = "DNS:example.org,DNS:*.example.net" },
    "is not for localhost, but for example.org, *.example.net" },
  ["self-signed"] = {
    { names = "DNS:localhost", self_signed = true }, "is self-signed" },
  ["for another purpose"] = {
    { names = "DNS:localhost", purpose = "clientAuth" }, "is for another purpose" },
}

describe("a wss client", function()
  it("is served when the certificate is for the host, a name or an address", function()
    local cert, key = certs:make("good", { names = "DNS:localhost,IP:127.0.0.1" })
    with_server({ { cert = cert, key = key } }, function(port)
      for _, host in ipairs { "localhost", "127.0.0.1" } do
        local url = ("wss://%s:%d/"):format(host, port)
        assert.equal("hello", echoes(assert(neap.connect(url, { ca = certs.ca }))))
      end
    end)
  end)

  for fault, case in pairs(FAULTS) do
    it("refuses a certificate that is " .. fault .. ", and says so", function()
      local cert, key = certs:make(fault:gsub(" ", "-"), case[1])
      with_server({ { cert = cert, key = key } }, function(port)
        local url = ("wss://localhost:%d/"):format(port)
        local conn, message, code = neap.connect(url, { ca = certs.ca })
        assert.is_nil(conn)
        assert.equal("tls", code)
        assert.truthy(message:find(case[2], 1, true), message)
        assert.equal("hello", echoes(assert(neap.connect(url, { insecure = true }))))
      end)
    end)
  end

  it("names an issuer that is missing, and does without once it is sent", function()
    certs:make("between", { is_ca = true })
    local cert, key = certs:make("leaf", { names = "DNS:localhost", by = "between" })
    local function connect(port)
      return neap.connect(("wss://localhost:%d/"):format(port), { ca = certs.ca })
    end
    with_server({ { cert = cert, key = key } }, function(port)
      local _, message, code = connect(port)
      assert.equal("tls", code)
      assert.truthy(message:find("an intermediate certificate is missing", 1, true), message)
    end)
    local chain = certs:join("chain", cert, certs.dir .. "/between.pem")
    with_server({ { cert = chain, key = key } }, function(port)
      assert.equal("hello", echoes(assert(connect(port))))
    end)
  end)

  it("says so when an authority is none, or one that nobody trusts", function()
    certs:make("layman", {})
    local cert, key = certs:make("of-layman", { names = "DNS:localhost", by = "layman" })
    local whole = certs:join("by-layman", cert, certs.dir .. "/layman.pem")
    local good, good_key = certs:make("well-made", { names = "DNS:localhost" })
    local rooted = certs:join("with-root", good, certs.ca)
    local strange = core.self_signed("strange", "DNS:strange", 1)
    for _, case in ipairs {
      { whole, key, certs.ca, "no authority" },
      { rooted, good_key, strange, "leads to an authority that is not trusted" },
    } do
      with_server({ { cert = case[1], key = case[2] } }, function(port)
        local url = ("wss://localhost:%d/"):format(port)
        local _, message, code = neap.connect(url, { ca = case[3] })
        assert.equal("tls", code)
        assert.truthy(message:find(case[4], 1, true), message)
      end)
    end
  end)

  it("does not trust by default what the system does not", function()
    local cert, key = certs:make("stranger", { names = "DNS:localhost" })
    with_server({ { cert = cert, key = key } }, function(port)
      local _, message, code = neap.connect(("wss://localhost:%d/"):format(port))
      assert.equal("tls", code)
      assert.truthy(message:find("unknown issuer", 1, true), message)
    end)
  end)

  it("shows its own certificate to a server that asks for one", function()
    local cert, key = certs:make("server", { names = "DNS:localhost" })
    local own, own_key = certs:make("client", { purpose = "clientAuth" })
    with_server({ { cert = cert, key = key } }, function(port)
      local url = ("wss://localhost:%d/"):format(port)
      local conn = assert(neap.connect(url, { ca = certs.ca, cert = own, key = own_key }))
      assert.equal("hello", echoes(conn))
      local _, message, code = neap.connect(url, { ca = certs.ca })
      assert.equal("tls", code, message)
    end, { client_ca = certs.ca })
  end)

  it("says so when the server does not speak TLS", function()
    life.run(function(world)
      world:ws("/", {})
      local _, message, code = neap.connect(("wss://127.0.0.1:%d/"):format(world:port()))
      assert.equal("tls", code)
      assert.truthy(message:find("does not speak TLS", 1, true), message)
    end)
  end)

  it("says what is wrong with a file of its own", function()
    neap.run(function()
      local _, message, code = neap.connect("wss://localhost:1/", { ca = "/nowhere.pem" })
      assert.equal("wss://localhost:1/: /nowhere.pem: No such file or directory", message)
      assert.equal("tls", code)
    end)
  end)
end)
