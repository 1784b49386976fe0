local address = require "neap.address"

describe("a listener's address", function()
  for url, wanted in pairs {
    ["http://127.0.0.1:8080"] = { host = "127.0.0.1", port = 8080 },
    ["http://127.0.0.1:0/"] = { host = "127.0.0.1", port = 0 },
    ["http://0.0.0.0"] = { host = "0.0.0.0", port = 80 },
    ["http://[::1]:0"] = { host = "::1", port = 0 },
    ["http://localhost:8080"] = { host = "127.0.0.1", port = 8080 },
    ["https://127.0.0.1:8443"] = { host = "127.0.0.1", port = 8443, is_secure = true },
    ["https://[::1]"] = { host = "::1", port = 443, is_secure = true },
    ["unix:/run/neap.sock"] = { path = "/run/neap.sock" },
    ["unix:@neap"] = { path = "@neap" },
    ["unix:/run/neap.sock?mode=660&owner=www-data&group=33"]
      = { path = "/run/neap.sock", mode = 432, owner = "www-data", group = "33" },
    ["fd:3"] = { fd = 3 },
    ["fd:web"] = { name = "web" },
    ["fd:web?proxy"] = { name = "web", proxy = true },
    ["http://[::]:80?v6only=1&proxy=1"] = { host = "::", port = 80, v6only = true, proxy = true },
  } do
    it("is read from " .. url, function()
      assert.same(wanted, address.parse(url))
    end)
  end

  for _, url in ipairs {
    "", "8080", "127.0.0.1:8080", "http://", "http://:8080", "http://example.org:80",
    "http://127.0.0.1:65536", "http://127.0.0.1:80x", "http://127.0.0.1:8080/path",
    "http://::1:80", "unix:", "unix:@", "fd:", "fd:a/b", "unix:/x?mode=9",
    "unix:/x?mode=0x1", "unix:/x?owner=", "unix:/x?prxy", "http://127.0.0.1:80?mode=600",
    "http://127.0.0.1:80?proxy=0", "fd:3?v6only", "ftp://127.0.0.1",
  } do
    it(("is not read from %q, and the message names it"):format(url), function()
      local parsed, message = address.parse(url)
      assert.is_nil(parsed)
      assert.equal(url .. ": ", message:sub(1, #url + 2))
    end)
  end

  it("is written as clients need it", function()
    assert.equal("http://127.0.0.1:80", address.format("127.0.0.1", 80))
    assert.equal("http://[::1]:8080", address.format("::1", 8080))
    assert.equal("https://127.0.0.1:8443", address.format("127.0.0.1", 8443, true))
    assert.equal("unix:/run/neap.sock", address.format "/run/neap.sock")
  end)
end)
