-- neap's client against servers that others wrote.
local life = require "spec.support.life"
local neap = require "neap"
local process = require "spec.support.process"
local socket = require "socket"

local LENGTHS = { 0, 1, 125, 126, 127, 65535, 65536, 300000 }

local SERVERS = {
  ["python-websockets"] = "/usr/bin/python3 spec/support/echo_server.py",
  ["ws of npm"] = "node spec/support/echo_server.js",
}

local function connect(port, path, options)
  return assert(neap.connect(("ws://127.0.0.1:%d%s"):format(port, path), options))
end

local function echo_all(conn)
  for _, length in ipairs(LENGTHS) do
    local text, bytes = ("é"):rep(length), ("\xff"):rep(length)
    assert(conn:send_wait(text, "text", 10))
    assert.same({ text, "text" }, { conn:receive(10) })
    assert(conn:send_wait(bytes, "binary", 10))
    assert.same({ bytes, "binary" }, { conn:receive(10) })
  end
end

local function echo_in_order(conn)
  for i = 1, 1000 do assert(conn:send_wait(tostring(i), "text", 10)) end
  for i = 1, 1000 do assert.equal(tostring(i), conn:receive(10)) end
end

for name, command in pairs(SERVERS) do
  describe("a client of " .. name, function()
    local peer
    setup(function() peer = process.start(command) end)
    teardown(function() peer:stop() end)

    it("sends and receives all lengths, with and without compression", function()
      for _, deflate in ipairs { false, true } do
        life.run(function()
          local conn = connect(peer.port, "/", { deflate = deflate, limits = { message = "4M" } })
          echo_all(conn)
          echo_in_order(conn)
          assert.is_number(conn:ping())
          conn:close(4321, "done")
          local why = assert(conn:wait_closed(10))
          assert.same({ 4321, true, "local" }, { why.code, why.clean, why.by })
        end)
      end
    end)

    it("agrees on a subprotocol, and hears the server's close", function()
      life.run(function()
        local conn = connect(peer.port, "/", { protocols = { "x", "chat.v1" } })
        assert.equal("chat.v1", conn.protocol)
        local why = assert(connect(peer.port, "/close/4007"):wait_closed(10))
        assert.same({ 4007, "so long", "peer", true }, { why.code, why.reason, why.by, why.clean })
      end)
    end)

    it("keeps a neap.client up, and obeys its codes", function()
      life.run(function()
        local ended
        local options = {
          url = ("ws://127.0.0.1:%d/close/4500"):format(peer.port),
          on_end = function(why) ended = why end,
        }
        neap.client(options)
        life.wait_until(function() return ended end)
        assert.equal(4500, ended.code)
        options.url = ("ws://127.0.0.1:%d/late"):format(peer.port)
        local client <close> = neap.client(options)
        client:send "hello"
        assert.equal("hello", client:receive(10))
      end)
    end)
  end)
end

-- Debian's libwebsockets has no echo, but a server that mirrors what it is sent.
local lws = "/usr/bin/libwebsockets-test-server"
local has_lws = io.open(lws)

if has_lws then
  has_lws:close()

  local function free_port()
    local probe <close> = setmetatable({ socket.bind("127.0.0.1", 0) },
      { __close = function(own) own[1]:close() end })
    return (select(2, probe[1]:getsockname()))
  end

  describe("a client of libwebsockets", function()
    it("comes as soon as it is there, and is mirrored", function()
      local port = free_port()
      local peer <close> = process.start(("%s -p %d -d 0"):format(lws, port), false)
      life.run(function()
        local client <close> = neap.client {
          url = ("ws://127.0.0.1:%d/"):format(port), protocols = { "lws-mirror-protocol" },
          reconnect = { min = 0.05, max = 0.1 },
        }
        local conn = assert(client:wait_open(10))
        assert.equal("lws-mirror-protocol", conn.protocol)
        for i = 1, 50 do
          client:send(("c #%06x 1 2 3 4;"):format(i))
          assert.equal(("c #%06x 1 2 3 4;"):format(i), client:receive(10))
        end
        assert.is_number(client:ping())
        client:close()
        assert.is_true(client:wait_closed(10).clean)
      end)
      assert(peer)
    end)
  end)
end
