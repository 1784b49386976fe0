-- How a client's connection begins, and every way in which it does not.
local eyeballs = require "neap.dial.eyeballs"
local life = require "spec.support.life"
local neap = require "neap"
local process = require "spec.support.process"
local server = require "spec.support.server"
local socket = require "socket"

local core = require "neap.core"

local PROXY = "/usr/bin/python3 spec/support/proxy.py "

local function echo(_, data)
  return data
end

local function url_of(world, path)
  return ("ws://127.0.0.1:%d%s"):format(world:port(), path)
end

local function check_echo(conn)
  assert(conn:send "hello")
  assert.equal("hello", conn:receive(20))
  conn:close()
  assert(conn:wait_closed(20))
end

-- A port on which connecting hangs: its queue is full, and nobody accepts.
local function blackhole(address)
  local listener = assert(socket.bind(address, 0, 0))
  local _, port = listener:getsockname()
  local fillers = {}
  for i = 1, 3 do
    fillers[i] = socket.tcp()
    fillers[i]:settimeout(0)
    fillers[i]:connect(address, port)
  end
  return math.tointeger(port), setmetatable({}, { __close = function()
    for _, filler in ipairs(fillers) do filler:close() end
    listener:close()
  end })
end

describe("neap.connect", function()
  it("names what failed", function()
    life.run(function(world)
      world:ws("/closed", { accept = function(req)
        return req:reject(403, "members only", { ["Retry-After"] = "7" })
      end, message = echo })
      world.app:get("/plain", function() return "just a page" end)
      for _, case in ipairs {
        { "ws://127.0.0.1:1/", "Connection refused %(127%.0%.0%.1:1%)", "refused" },
        { "ws://nobody.invalid/", "nobody%.invalid: ", "refused" },
        { "ws+unix:/nowhere.sock:/", "No such file or directory %(/nowhere%.sock%)", "refused" },
        { url_of(world, "/closed"), "the server answered 403: members only$", "refused" },
        { url_of(world, "/plain"), "the server answered 200: just a page$", "refused" },
        { url_of(world, "/none"), "the server answered 404", "refused" },
        { "ftp://a/", "not a WebSocket URL", "refused" },
      } do
        local conn, message, code = neap.connect(case[1], { timeout = 20 })
        assert.is_nil(conn)
        assert.matches(case[2], message)
        assert.equal(case[3], code, message)
      end
    end)
  end)

  it("says so when what answers is no WebSocket server", function()
    local other <close> = process.start(PROXY .. "garbage")
    local silent <close> = process.start(PROXY .. "silent")
    life.run(function()
      local _, message, code = neap.connect("ws://127.0.0.1:" .. other.port)
      assert.matches("not HTTP: no WebSocket server there$", message)
      assert.equal("protocol", code)
      local began = core.now()
      _, message, code = neap.connect("ws://127.0.0.1:" .. silent.port, { timeout = 0.2 })
      assert.matches("the server did not answer in time$", message)
      assert.equal("timeout", code)
      assert.is_true(core.now() - began < 9) -- the default would be 10
    end)
  end)

  it("refuses wrong options at the script's line", function()
    life.run(function()
      for name, wrong in pairs {
        timeout = 0, redirects = -1, proxy = "ftp://a", protocols = { "a b" }, headers = "a: b",
        protocol = "chat",
      } do
        local ok, message = pcall(neap.connect, "ws://127.0.0.1:1", { [name] = wrong })
        assert.is_false(ok, name)
        assert.matches("^spec/net/connect_spec%.lua:%d+: ", message)
      end
      local ok, message = pcall(neap.connect, "ws://a", { headers = { Upgrade = "h2c" } })
      assert.is_false(ok)
      assert.matches("header Upgrade is the handshake's own", message)
    end)
  end)

  it("sends headers, a Host of its own, and the URL's user and password", function()
    life.run(function(world)
      local seen
      world:ws("/", { accept = function(req)
        seen = { req:header "host", req:header "authorization", req:header "x-a" }
        return true
      end, message = echo })
      local base = ("ws://me:secret@127.0.0.1:%d/"):format(world:port())
      check_echo(assert(neap.connect(base, { headers = { ["X-A"] = 1, Host = "localhost" } })))
      assert.same({ "localhost", "Basic bWU6c2VjcmV0", "1" }, seen)
      check_echo(assert(neap.connect(base, { headers = { authorization = "Bearer x" } })))
      assert.equal("Bearer x", seen[2])
    end)
  end)

  it("goes through a unix socket", function()
    life.run(function(world)
      local path = os.tmpname()
      os.remove(path)
      world:ws("/echo", { message = echo })
      local listener = assert(world.app:listen("unix:" .. path))
      check_echo(assert(neap.connect("ws+unix:" .. path .. ":/echo")))
      listener:close()
      os.remove(path)
    end)
  end)

  it("looks names up, and answers all who ask for one at once", function()
    life.run(function(world)
      world:ws("/", { message = echo })
      local done, failure = 0, nil
      local function ask()
        local conn, message = neap.connect(("ws://localhost:%d/"):format(world:port()))
        if conn then check_echo(conn) end
        done, failure = done + 1, failure or message
      end
      for _ = 1, 40 do neap.spawn(ask) end
      life.wait_until(function() return done == 40 end)
      assert.is_nil(failure, failure)
    end)
  end)

  it("gives everything back when its scope ends, wherever it is", function()
    local silent <close> = process.start(PROXY .. "silent")
    local port, hole <close> = blackhole "127.0.0.1"
    local base = "ws://127.0.0.1:" .. silent.port
    for _, case in ipairs {
      { "ws://some-name.invalid/" }, { "ws://127.0.0.1:" .. port }, { base },
      { "ws://a.test/", { proxy = "http://127.0.0.1:" .. silent.port } },
      { "ws://a.test/", { proxy = "socks5://127.0.0.1:" .. silent.port } },
      { "ws://a.test/", { proxy = "http://127.0.0.1:" .. port } },
    } do
      for _, seconds in ipairs { 0, 0.03 } do
        life.run(function()
          local scope, code = neap.scope(), nil
          scope:spawn(function() code = select(3, neap.connect(case[1], case[2])) end)
          neap.sleep(seconds)
          scope:close()
          assert.is_true(code == "cancelled" or case[1]:find "invalid" ~= nil, tostring(code))
        end)
      end
    end
    assert(hole)
  end)

  it("is one deadline for all that it does", function()
    local silent <close> = process.start(PROXY .. "silent")
    local port, hole <close> = blackhole "127.0.0.1"
    life.run(function()
      for _, case in ipairs {
        { "ws://127.0.0.1:" .. port, "no answer in time from 127.0.0.1" },
        { "ws://a.test", "proxy http://127.0.0.1:", "http://127.0.0.1:" .. silent.port },
        { "ws://a.test", "proxy socks5://127.0.0.1:", "socks5://127.0.0.1:" .. silent.port },
      } do
        local began = core.now()
        local _, message, code = neap.connect(case[1], { timeout = 0.1, proxy = case[3] })
        assert.equal("timeout", code, message)
        assert.truthy(message:find(case[2], 1, true), message)
        assert.is_true(core.now() - began < 9)
      end
    end)
    assert(hole)
  end)
end)

describe("a deadline of neap.connect", function()
  it("is its own, however much is left of those before it", function()
    local silent <close> = process.start(PROXY .. "silent")
    local _, output = life.die(([[
      local core, neap, socket = require "neap.core", require "neap", require "neap.dial.socket"
      local url, left = "ws://127.0.0.1:%d", socket.left
      neap.run(function()
        local looks = 0
        function socket.left()
          looks = looks + 1
          return 0.4 - looks / 1000
        end
        for _ = 1, 12 do neap.spawn(neap.connect, url, { timeout = 0.4 }) end
        neap.sleep(0.5)
        socket.left = left
        local began = core.now()
        neap.connect(url, { timeout = 1 })
        print(core.now() - began > 0.9)
      end)
    ]]):format(silent.port))
    assert.equal("true\n", output)
  end)
end)

describe("a client without random bytes", function()
  local library = os.tmpname() .. ".so"

  setup(function()
    assert(os.execute("env -u LD_PRELOAD gcc -shared -fPIC -o " .. library
      .. " spec/support/no_random.c"))
  end)
  teardown(function() os.remove(library) end)

  it("sends nothing at all rather than something unmasked", function()
    local script = [[
      local neap = require "neap"
      local app, got = neap.app{}, "nothing"
      app:ws("/", {message = function(_, data) got = data end})
      neap.run(function()
        local listener = app:listen "http://127.0.0.1:0"
        local _, port = listener:address()
        local conn, message, code = neap.connect("ws://127.0.0.1:" .. port)
        print(conn and "open" or code)
        if not conn then return listener:close() end
        print(select(3, conn:send "secret"))
        neap.sleep(0.05)
        print(got)
        conn:terminate()
        listener:close()
      end)
    ]]
    local preload = (os.getenv "NEAP_PRELOAD" or "") .. " " .. library
    for times, wanted in pairs { [0] = "io\n", [1] = "open\nio\nnothing\n" } do
      local _, output = life.die(script, preload, "NEAP_RANDOM=" .. times)
      assert.equal(wanted, output)
    end
  end)
end)

describe("happy eyeballs", function()
  it("let the families alternate", function()
    assert.same({ "::1", "1.1.1.1", "::2", "2.2.2.2", "::3" },
      eyeballs.interleave { "::1", "::2", "::3", "1.1.1.1", "2.2.2.2" })
    assert.same({}, eyeballs.interleave {})
  end)

  it("try the next address while the first is silent, and close the losers", function()
    local port, hole <close> = blackhole "127.0.0.2"
    life.run(function()
      local accepting = assert(socket.bind("127.0.0.1", port))
      local began = core.now()
      local won = assert(eyeballs.connect({ "127.0.0.2", "127.0.0.1" }, port, core.now() + 20))
      local took = core.now() - began
      assert.is_true(took >= 0.2 and took < 15, took)
      assert.equal("127.0.0.1", won.target.address)
      assert.equal(1, core.counts().socket.live)
      won:close()
      accepting:close()
    end)
    assert(hole)
  end)

  it("try the next address at once when one is refused", function()
    life.run(function()
      local accepting = assert(socket.bind("127.0.0.1", 0))
      local _, port = accepting:getsockname()
      local list = { "::1" }
      for i = 3, 30 do list[#list + 1] = "127.0.0." .. i end
      list[#list + 1] = "127.0.0.1"
      local began = core.now()
      local won = assert(eyeballs.connect(list, math.tointeger(port), core.now() + 20))
      assert.equal("127.0.0.1", won.target.address)
      assert.is_true(core.now() - began < 6) -- a stagger each would be 7
      won:close()
      accepting:close()
      local none, message, code = eyeballs.connect({ "127.0.0.1", "::1" }, 1, core.now() + 5)
      assert.is_nil(none)
      assert.truthy(message:find("(127.0.0.1:1); ", 1, true), message)
      assert.truthy(message:find("([::1]:1)", 1, true), message)
      assert.equal("refused", code)
    end)
  end)
end)

describe("a redirect", function()
  local function serve(world)
    world.app:get("/once", function(req)
      return req:redirect "/echo"
    end)
    world.app:get("/again", function(req) return req:redirect("/again", 307) end)
    world.app:get("/away", function(req)
      return req:redirect(("http://localhost:%d/echo"):format(world:port()), 308)
    end)
    world:ws("/echo", { accept = function(req)
      world.saw = req:header "authorization" or "nothing"
      return true
    end, message = echo })
  end

  it("is followed only if asked, and so many times at most", function()
    life.run(function(world)
      serve(world)
      local _, message = neap.connect(url_of(world, "/once"))
      assert.matches("the server answered 303", message)
      check_echo(assert(neap.connect(url_of(world, "/once"), { redirects = 1 })))
      _, message = neap.connect(url_of(world, "/again"), { redirects = 3 })
      assert.matches("the server answered 307", message)
    end)
  end)

  it("does not take what lets us in to another server", function()
    life.run(function(world)
      serve(world)
      local options = { redirects = 1, headers = { Authorization = "Bearer secret" } }
      check_echo(assert(neap.connect(url_of(world, "/once"), options)))
      assert.equal("Bearer secret", world.saw)
      check_echo(assert(neap.connect(url_of(world, "/away"), options)))
      assert.equal("nothing", world.saw)
    end)
  end)
end)

describe("a proxy", function()
  local function through(kind, credentials, given, fn)
    local via <close> = process.start(PROXY .. kind .. " " .. (credentials or ""))
    local asked
    life.run(function(world)
      world:ws("/", { message = echo })
      local scheme = kind == "http" and "http" or "socks5"
      local proxy = ("%s://%s127.0.0.1:%d"):format(scheme, given or "", via.port)
      fn(world, proxy)
    end)
    asked = via:stop "KILL"
    return asked
  end

  for _, kind in ipairs { "http", "socks5" } do
    it("of kind " .. kind .. " gets the name, and carries the connection", function()
      local asked = through(kind, nil, nil, function(world, proxy)
        local url = ("ws://somewhere.test:%d/"):format(world:port())
        check_echo(assert(neap.connect(url, { proxy = proxy, headers = { Host = "localhost" } })))
        check_echo(assert(neap.connect(url_of(world, "/"), { proxy = proxy })))
      end)
      assert.matches("CONNECT somewhere%.test:%d+", asked)
      assert.matches("CONNECT 127%.0%.0%.1:%d+", asked)
    end)

    it("of kind " .. kind .. " is given user and password, and may refuse them", function()
      through(kind, "me:s3cret", "me:s3cret@", function(world, proxy)
        check_echo(assert(neap.connect(url_of(world, "/"), { proxy = proxy })))
      end)
      through(kind, "me:s3cret", "me:wrong@", function(world, proxy)
        local _, message, code = neap.connect(url_of(world, "/"), { proxy = proxy })
        assert.equal("refused", code)
        assert.matches(kind == "http" and "it said 407" or "refused the user", message)
        assert.is_nil(message:find "wrong")
      end)
      through(kind, "me:s3cret", nil, function(world, proxy)
        local _, message = neap.connect(url_of(world, "/"), { proxy = proxy })
        assert.matches(kind == "http" and "it said 407" or "another way to log in", message)
      end)
    end)
  end

  it("may say no, or speak another language", function()
    through("socks5", nil, nil, function(_, proxy)
      local _, message = neap.connect("ws://closed.test/", { proxy = proxy })
      assert.matches("proxy socks5://127%.0%.0%.1:%d+: it said connection refused$", message)
    end)
    through("garbage", nil, nil, function(_, proxy)
      for _, url in ipairs { proxy, (proxy:gsub("^socks5", "http")) } do
        local _, message, code = neap.connect("ws://a.test/", { proxy = url })
        assert.equal("protocol", code)
        assert.matches("its answer is not %u", message)
      end
    end)
  end)

  it("is not looked for in the environment unless asked", function()
    local via <close> = process.start(PROXY .. "silent")
    local echoing <close> = server.start "examples/echo.lua"
    local script = ([[local neap = require "neap"; neap.run(function()
      print(neap.connect("%s/", {timeout = TIMEOUT, proxy = PROXY})) end)]]):format(echoing.url)
    local function run(option, timeout)
      return life.die((script:gsub("%u%u+", { PROXY = option, TIMEOUT = timeout })), nil,
        ("http_proxy=http://127.0.0.1:%d"):format(via.port))
    end
    assert.matches("neap%.conn", select(2, run("nil", "20")))
    assert.matches("proxy http://127%.0%.0%.1", select(2, run('"env"', "0.3")))
  end)
end)
