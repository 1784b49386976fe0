-- TLS and its contexts: made, used, and gone with what they belong to.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local socket = require "socket"
local tls_world = require "spec.support.tls_world"

require("neap.log").configure { level = "error", write = function() end }

local function live(class)
  return core.counts()[class].live
end

local function wait_for(class, count)
  life.wait_until(function()
    life.collect()
    return live(class) == count
  end, ("%d of %s"):format(count, class))
end

-- The authority of somebody else.
local other = core.self_signed("localhost", "DNS:localhost", 1)

local ECHO = { message = function(_, data) return data end }

describe("the TLS of a connection", function()
  it("goes with its close, on both sides, and says so to both", function()
    tls_world.run(function(world)
      local why
      world:ws("/", { close = function(_, given) why = given end })
      local conn = world:connect "/"
      assert.equal(2, live "tls")
      conn:close(4000, "enough")
      assert.is_true(conn:wait_closed(5).clean)
      life.wait_until(function() return why end)
      assert.same({ "closed", "peer", 4000, true }, { why.cause, why.by, why.code, why.clean })
      assert.equal(0, live "tls")
    end)
  end)

  it("goes with a <close> variable and with a scope", function()
    tls_world.run(function(world)
      world:ws("/", ECHO)
      do local _ <close> = world:connect "/" end
      wait_for("tls", 0)
      local scope = neap.scope()
      scope:own(world:connect "/")
      scope:close()
      wait_for("tls", 0)
    end)
  end)

  it("goes with a connection that is dropped", function()
    tls_world.run(function(world)
      world:ws("/", ECHO)
      life.forget(function() world:connect "/" end)
      wait_for("tls", 0)
    end)
  end)

  it("goes when what waits on it is forgotten", function()
    tls_world.run(function(world)
      world:ws("/", ECHO)
      life.forget(function()
        local conn = world:connect "/"
        conn:spawn(function() conn:receive() end)
        neap.sleep(0)
      end)
      wait_for("tls", 0)
    end)
  end)

  it("leaves a handle that answers closed", function()
    tls_world.run(function(world)
      world:ws("/", ECHO)
      local conn = world:connect "/"
      conn:terminate()
      conn:wait_closed(5)
      assert.equal("closed", select(3, conn:send "late"))
      assert.equal("closed", select(3, conn:receive()))
    end)
  end)

  it("goes with a handshake that fails, is given up, or never begins", function()
    tls_world.run(function(world)
      world:ws("/", ECHO)
      local port = tls_world.listen(world)
      local silent = socket.connect("127.0.0.1", port)
      wait_for("tls", 1)
      assert.equal("tls", select(3, world:try("/", { ca = other })))
      local scope = neap.scope()
      scope:spawn(function() world:try "/" end)
      neap.sleep(0)
      scope:close()
      silent:close()
      wait_for("tls", 0)
    end)
  end)

  it("goes when a handshake takes too long, on either side", function()
    local deaf = socket.bind("127.0.0.1", 0)
    tls_world.run(function(world)
      world:ws("/", ECHO)
      local port = tls_world.listen(world)
      local silent = socket.connect("127.0.0.1", port)
      silent:send "\22\3\1\2\0"
      local url = ("wss://localhost:%d/"):format(select(2, deaf:getsockname()))
      local _, message, code = neap.connect(url, { timeout = 0.1 })
      assert.equal("timeout", code, message)
      wait_for("tls", 0)
      silent:settimeout(5)
      assert.equal("closed", select(2, silent:receive(10)))
      silent:close()
    end, { timeouts = { handshake = 0.1 } })
    deaf:close()
  end)

  it("ends with the state, in the handshake and after it", function()
    local status, output = life.die [[
      local neap = require "neap"
      local socket = require "socket"
      local tls_world = require "spec.support.tls_world"
      local app = neap.app()
      app:ws("/", { message = function(_, data) return data end })
      neap.run(function()
        local world = { app = app }
        local port = tls_world.listen(world)
        silent = socket.connect("127.0.0.1", port)
        silent:send "\22\3\1"
        conn = assert(neap.connect("wss://localhost:" .. port, { ca = tls_world.cert }))
        conn:send(("x"):rep(500000))
        neap.spawn(function() neap.connect("wss://localhost:" .. port, { ca = tls_world.cert }) end)
        neap.sleep(0)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
  end)
end)

local function new_context()
  return assert(core.tls_context {
    role = "server", certs = { { cert = tls_world.cert, key = tls_world.key } },
  })
end

describe("a TLS context", function()
  it("goes with its close, its <close> variable and its scope, once", function()
    life.run(function()
      local context = new_context()
      context:close()
      context:close()
      assert.equal(0, live "tls_context")
      do local _ <close> = new_context() end
      local scope = neap.scope()
      scope:own(new_context())
      scope:close()
      assert.equal(0, live "tls_context")
    end)
  end)

  it("goes when it is dropped", function()
    life.run(function()
      life.forget(new_context)
      wait_for("tls_context", 0)
    end)
  end)

  it("lives as long as a connection or a listener uses it", function()
    tls_world.run(function(world)
      world:ws("/", ECHO)
      do
        local conn <close> = world:connect "/"
        assert.equal(2, live "tls_context")
        assert.is_true(world.app:reload())
        assert.equal(3, live "tls_context")
        assert(conn:send "still here")
        assert.equal("still here", conn:receive(5))
        world:connect "/":terminate()
      end
      world.listener:close()
      wait_for("tls_context", 0)
    end)
  end)

  it("answers no more once it is closed", function()
    life.run(function()
      local context = new_context()
      context:close()
      assert.is_nil(context:expires(1))
      assert.has_error(function()
        core.listen { host = "127.0.0.1", port = 0, settings = core.settings {},
          on_request = print, tls = context }
      end)
    end)
  end)

  it("is for the side that it was made for", function()
    life.run(function()
      local context <close> = assert(core.tls_context { role = "client" })
      assert.has_error(function()
        core.listen { host = "127.0.0.1", port = 0, settings = core.settings {},
          on_request = print, tls = context }
      end)
    end)
  end)

  it("leaves nothing when it cannot be made", function()
    life.run(function()
      for _ = 1, 20 do
        assert.equal("tls", select(3, core.tls_context {
          role = "server", certs = { { cert = tls_world.cert, key = tls_world.cert } } }))
      end
      assert.equal(0, live "tls_context")
    end)
  end)

  it("ends with the state", function()
    local status, output = life.die [[
      local core = require "neap.core"
      local tls_world = require "spec.support.tls_world"
      context = assert(core.tls_context {
        role = "server", certs = { { cert = tls_world.cert, key = tls_world.key } } })
      client = assert(core.tls_context { role = "client" })
      os.exit(0, true)
    ]]
    assert.equal(0, status, output)
  end)
end)
