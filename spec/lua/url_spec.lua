local url = require "neap.url"

local function read(text)
  local parsed, message = url.parse(text)
  assert(parsed, message)
  return parsed
end

describe("the URL of a WebSocket server", function()
  it("has a host, a port and a target", function()
    for text, wanted in pairs {
      ["ws://example.org"] = { "example.org", 80, "/" },
      ["WS://example.org:81/a/b?c=d"] = { "example.org", 81, "/a/b?c=d" },
      ["wss://example.org?q"] = { "example.org", 443, "/?q" },
      ["http://[::1]:8080/x"] = { "::1", 8080, "/x" },
      ["https://[::1]"] = { "::1", 443, "/" },
    } do
      local parsed = read(text)
      assert.same(wanted, { parsed.name, parsed.port, parsed.target })
    end
    assert.equal("[::1]:8080", read("ws://[::1]:8080/x").host)
    assert.equal("wss", read("https://a").scheme)
  end)

  it("may name a unix socket, and a path behind it", function()
    for text, target in pairs {
      ["ws+unix:/run/a.sock"] = "/", ["ws+unix:///run/a.sock:/b?c"] = "/b?c",
      ["ws+unix:/run/a.sock:b"] = "/b",
    } do
      local parsed = read(text)
      assert.same({ "/run/a.sock", target }, { parsed.path, parsed.target })
    end
  end)

  it("keeps its password to itself", function()
    local parsed = read "ws://me:p%40ss@example.org:81/a"
    assert.equal("me:p@ss", parsed.credentials)
    assert.equal("example.org:81", parsed.host)
    assert.equal("ws://example.org:81/a", parsed.shown)
    assert.equal("Basic bWU6cEBzcw==", url.basic(parsed.credentials))
  end)

  it("is refused with what is wrong about it", function()
    for text, wanted in pairs {
      ["example.org"] = "write ws://host:port/path",
      ["ws:example.org"] = "write ws://host:port/path",
      ["ftp://example.org"] = "not a WebSocket URL",
      ["ws://example.org/#a"] = "no #fragment",
      ["ws://example.org:0/"] = "no host and port",
      ["ws://example.org:65536/"] = "no host and port",
      ["ws://:80/"] = "no host and port",
      ["ws://[::1/"] = "no host and port",
      ["ws+unix:"] = "write ws+unix:/run/app.sock:/path",
    } do
      local parsed, message = url.parse(text)
      assert.is_nil(parsed, text)
      assert.truthy(message:find(wanted, 1, true), message)
    end
  end)

  it("leads on from a redirect", function()
    local from = read "ws://a.test:81/one/two?x"
    for location, wanted in pairs {
      ["/three"] = "ws://a.test:81/three", ["three"] = "ws://a.test:81/one/three",
      ["?y"] = "ws://a.test:81/one/two?y", ["//b.test/q"] = "ws://b.test/q",
      ["https://b.test/q#frag"] = "wss://b.test/q",
    } do
      assert.equal(wanted, url.follow(from, location).shown)
    end
  end)
end)
