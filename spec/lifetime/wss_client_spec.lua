-- A client that keeps a connection up over TLS: how it comes back, what it refuses,
-- and that it leaves nothing when it ends while it shakes hands.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local socket = require "socket"
local tls_world = require "spec.support.tls_world"

local QUICK = { min = 0.01, max = 0.02, reset = 0 }

-- A client that is down says so in the log, each time.
local function quietly(fn)
  return function() life.quietly(fn) end
end

local function live(class)
  return core.counts()[class].live
end

local function make(url, more)
  local given = { url = url, ca = tls_world.cert, reconnect = QUICK }
  for name, value in pairs(more or {}) do given[name] = value end
  return neap.client(given)
end

-- Runs fn(client, port) with one whose peer takes the connection and says nothing.
local function in_handshake(fn, more)
  life.run(function()
    local deaf = socket.bind("127.0.0.1", 0)
    local url = ("wss://localhost:%d/"):format(select(2, deaf:getsockname()))
    fn(function()
      local client = make(url, more)
      life.wait_until(function() return client.state == "tls" end, "the TLS handshake")
      assert.equal(1, live "tls")
      return client
    end)
    life.wait_until(function() return live "tls" + live "conn" + live "client" == 0 end)
    deaf:close()
  end)
end

describe("a client over TLS", function()
  it("comes back after each end, with one socket at a time", quietly(function()
    tls_world.run(function(world)
      local served, ups, most = nil, 0, 0
      world:ws("/", {
        open = function(conn)
          served = conn
          most = math.max(most, live "tls")
        end,
        message = function(_, data) return data end,
      })
      local client <close> = make("wss://localhost:" .. tls_world.listen(world) .. "/",
        { on_up = function() ups = ups + 1 end })
      for i = 1, 4 do
        client:send("hello " .. i)
        assert.equal("hello " .. i, client:receive(5))
        if i % 2 == 0 then served:terminate() else served:close(1011) end
        life.wait_until(function() return ups == i + 1 end, "the next connection")
      end
      assert.equal(5, ups)
      assert.is_true(most <= 3, most) -- its own, the server's, and one that is on its way out
    end)
  end))

  it("sends nothing to a certificate that it does not trust", quietly(function()
    tls_world.run(function(world)
      local opened, whys = 0, {}
      world:ws("/", { open = function() opened = opened + 1 end })
      local url = "wss://localhost:" .. tls_world.listen(world) .. "/"
      local client = make(url, { ca = core.self_signed("other", "DNS:localhost", 1),
        on_retry = function(why) whys[#whys + 1] = why end })
      client:send "secret"
      life.wait_until(function() return #whys >= 3 end, "three attempts")
      assert.equal("tls", whys[1].cause)
      assert.matches("certificate", whys[1].message)
      client:close()
      assert.equal("secret", client:wait_closed(5).unsent[1].data)
      assert.equal(0, opened)
    end)
  end))

  it("ends at the first refusal where it is not to come back", quietly(function()
    tls_world.run(function(world)
      world:ws("/", {})
      local url = "wss://localhost:" .. tls_world.listen(world) .. "/"
      local client = make(url, { reconnect = false,
        ca = core.self_signed("other", "DNS:localhost", 1) })
      local why = client:wait_closed(5)
      assert.same({ "tls", "closed" }, { why.cause, client.state })
      assert.equal("closed", select(3, client:send "late"))
    end)
  end))

  it("is up once the server has the right certificate", quietly(function()
    local wrong, key = core.self_signed("elsewhere", "DNS:elsewhere.example", 1)
    tls_world.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local port = tls_world.listen(world)
      local function show(cert, its_key)
        local context <close> = assert(core.tls_context {
          role = "server", certs = { { cert = cert, key = its_key } } })
        assert(world.listener:set_tls(context))
      end
      show(wrong, key)
      local tries = 0
      local client <close> = make(("wss://localhost:%d/"):format(port),
        { on_retry = function() tries = tries + 1 end })
      client:send "kept"
      life.wait_until(function() return tries > 0 end)
      show(tls_world.cert, tls_world.key)
      assert.equal("kept", client:receive(5))
    end)
  end))
end)

describe("a client that shakes hands over TLS", function()
  it("ends with its close, its terminate and its <close> variable", function()
    in_handshake(function(start)
      local ways = {
        function(client) client:close() client:close() end,
        function(client) client:terminate() end,
        function(client) local _ <close> = client end,
      }
      for _, way in ipairs(ways) do
        local client = start()
        way(client)
        assert(client:wait_closed(5))
        assert.equal("closed", client.state)
        life.wait_until(function() return live "tls" == 0 end)
        assert.equal("closed", select(3, client:send "late"))
      end
    end)
  end)

  it("ends with its scope, before that has ended", function()
    in_handshake(function(start)
      local scope, client = neap.scope(), nil
      scope:spawn(function()
        client = start()
        client:wait_open()
      end)
      life.wait_until(function() return client end)
      scope:close()
      assert.same({ "closed", 0 }, { client.state, live "client" })
    end)
  end)

  it("ends when it is dropped, and is reported", function()
    local text = life.quietly(function()
      in_handshake(function(start)
        life.forget(start)
        life.wait_until(function()
          life.collect()
          return live "client" + live "tls" == 0
        end, "the collector")
      end, { scope = false })
    end)
    assert.matches("leak: client of wss://localhost:%d+/ opened at spec/lifetime/wss_client", text)
  end)

  it("ends with the state", function()
    local status, output = life.die [[
      local neap = require "neap"
      local socket = require "socket"
      DEAF = socket.bind("127.0.0.1", 0)
      neap.run(function()
        CLIENT = neap.client { url = "wss://localhost:" .. select(2, DEAF:getsockname()) }
        while CLIENT.state ~= "tls" do neap.sleep(0.01) end
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
  end)
end)
