local origin = require "neap.origin"

local function list(...)
  return assert(origin.check_list { ... })
end

describe("origins", function()
  local wide = list("https://*.example.org", "http://localhost:*", "https://exact.net:8443")

  for _, row in ipairs {
    -- rule, Origin, Host, allowed
    { "same", nil, "example.org", true },
    { "same", "http://example.org", "example.org", true },
    { "same", "https://example.org", "example.org", true },
    { "same", "http://EXAMPLE.org", "example.ORG", true },
    { "same", "http://example.org:80", "example.org", true },
    { "same", "http://example.org", "example.org:80", true },
    { "same", "https://example.org", "example.org:443", true },
    { "same", "http://127.0.0.1:8080", "127.0.0.1:8080", true },
    { "same", "http://[::1]:8080", "[::1]:8080", true },
    { "same", "http://example.org:8080", "example.org", false },
    { "same", "http://example.org", "example.org:8080", false },
    { "same", "https://example.org", "example.org:80", false },
    { "same", "http://evil.org", "example.org", false },
    { "same", "http://example.org.evil.org", "example.org", false },
    { "same", "http://evil@example.org", "example.org", false },
    { "same", "http://example.org/", "example.org", false },
    { "same", "null", "null", false },
    { "same", "", "example.org", false },
    { "same", "file://", "example.org", false },
    { "same", "http://example.org", nil, false },
    { "any", "http://evil.org", "example.org", true },
    { "any", "null", "example.org", false },
    { wide, "https://a.example.org", "x", true },
    { wide, "https://a.b.example.org", "x", true },
    { wide, "https://A.Example.Org:443", "x", true },
    { wide, "https://example.org", "x", false },
    { wide, "https://.example.org", "x", false },
    { wide, "https://badexample.org", "x", false },
    { wide, "http://a.example.org", "x", false },
    { wide, "https://a.example.org:8443", "x", false },
    { wide, "https://a.example.org.evil.net", "x", false },
    { wide, "http://localhost:3000", "x", true },
    { wide, "http://localhost", "x", true },
    { wide, "https://exact.net:8443", "x", true },
    { wide, "https://exact.net", "x", false },
    { wide, "null", "x", false },
    { wide, nil, "x", true },
  } do
    local rule, from, host, allowed = table.unpack(row, 1, 4)
    local name = type(rule) == "table" and "a list" or rule
    it(("%s: %s at %s is %s"):format(name, from, host, allowed and "let in" or "refused"),
      function()
        assert.equal(allowed, origin.is_allowed(rule, from, host))
      end)
  end

  it("are checked when they are given", function()
    for _, wrong in ipairs {
      "example.org", "https://", "https://*", "https://a.*.org", "https://a.org/path", 5, "*",
    } do
      local rule, wanted = origin.check_list { wrong }
      assert.is_nil(rule)
      assert.matches("is no origin", wanted)
    end
    assert.is_nil(origin.check_list "all")
  end)
end)

describe("hosts", function()
  local loopback = origin.LOOPBACK_HOSTS

  for host, answered in pairs {
    ["localhost"] = true, ["LOCALHOST:8080"] = true, ["127.0.0.1:1"] = true,
    ["[::1]:8080"] = true, ["[::1]"] = true, ["evil.org"] = false,
    ["localhost.evil.org"] = false, ["127.0.0.1.evil.org:8080"] = false, [""] = false,
  } do
    it(("of a loopback listener: %s is %s"):format(host, answered and "answered" or "not"),
      function()
        assert.equal(answered, origin.answers(loopback, host))
      end)
  end

  it("need a Host header", function()
    assert.is_false(origin.answers(loopback, nil))
  end)

  it("may name a port", function()
    local hosts = assert(origin.check_hosts { "Example.org:8443", "other.org" })
    assert.is_true(origin.answers(hosts, "example.org:8443"))
    assert.is_false(origin.answers(hosts, "example.org"))
    assert.is_true(origin.answers(hosts, "other.org:99"))
  end)

  it("that are not set answer every name", function()
    assert.is_true(origin.answers(nil, "whatever"))
  end)

  it("know which addresses only this machine reaches", function()
    for _, address in ipairs { "127.0.0.1", "127.8.8.8", "::1", "localhost" } do
      assert.is_true(origin.is_loopback(address))
    end
    for _, address in ipairs { "0.0.0.0", "::", "10.0.0.1", "127.0.0.1.org" } do
      assert.is_false(origin.is_loopback(address))
    end
  end)
end)
