local proxy = require "neap.proxy"
local url = require "neap.url"

local function choose(target, env)
  local found, message = proxy.from_env(url.parse(target), function(name) return env[name] end)
  return found and ("%s:%d"):format(found.name, found.port), message
end

describe("the proxy that the environment names", function()
  it("is http_proxy's for ws, https_proxy's for wss, else ALL_PROXY's", function()
    local env = { http_proxy = "http://a:1", HTTPS_PROXY = "b:2", ALL_PROXY = "socks5://c" }
    assert.equal("a:1", choose("ws://x.test", env))
    assert.equal("b:2", choose("wss://x.test", env))
    assert.equal("c:1080", choose("ws://x.test", { ALL_PROXY = "socks5h://c" }))
    assert.is_nil(choose("ws://x.test", { HTTP_PROXY = "a:1" })) -- a CGI's request could set it
    assert.is_nil(choose("ws+unix:/run/x", env))
    assert.is_nil(choose("ws://x.test", { http_proxy = "" }))
  end)

  it("is not used for what no_proxy lists", function()
    local function is_direct(target, list)
      return choose(target, { http_proxy = "a:1", no_proxy = list }) == nil
    end
    for _, case in ipairs {
      { "ws://x.test", "*" }, { "ws://x.test", "y, x.test" }, { "ws://a.x.test", "x.test" },
      { "ws://a.x.test", ".x.test" }, { "ws://X.test", "x.TEST" }, { "ws://[::1]/", "[::1]" },
      { "ws://[::1]/", "::1" }, { "ws://x.test:81", "x.test:81" }, { "ws://10.0.0.1", "10.0.0.1" },
    } do
      assert.is_true(is_direct(case[1], case[2]), table.concat(case, " "))
    end
    for _, case in ipairs {
      { "ws://ax.test", "x.test" }, { "ws://x.test:82", "x.test:81" }, { "ws://x.test", "" },
    } do
      assert.is_false(is_direct(case[1], case[2]), table.concat(case, " "))
    end
  end)

  it("is named with its variable when it is none", function()
    local found, message = choose("ws://x.test", { http_proxy = "ftp://me:secret@a" })
    assert.is_nil(found)
    assert.matches("^http_proxy: a proxy is written", message)
    assert.is_nil(message:find "secret")
  end)
end)
