local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local socket = require "socket"

local function code_of(...)
  return (select(3, ...))
end

local function listen(on_request)
  return assert(core.listen {
    host = "127.0.0.1", port = 0, settings = core.settings { header = 8192, handshake = 5 },
    on_request = on_request or function(req) req:answer(204, "", "") end,
  })
end

local function can_connect(port)
  local peer = socket.connect("127.0.0.1", port)
  if peer then peer:close() end
  return peer ~= nil
end

describe("a listener", function()
  it("refuses connections once it is closed, and closing again is harmless", function()
    life.run(function()
      local listener = listen()
      local _, port = listener:address()
      assert.is_true(can_connect(port))
      neap.sleep(0.01)
      listener:close()
      listener:close()
      neap.sleep(0)
      assert.is_false(can_connect(port))
    end)
  end)

  it("is closed by a <close> variable, by own, and with its scope", function()
    life.run(function()
      local scope = neap.scope()
      do local _ <close> = listen() end
      scope:own(listen())
      scope:own(listen()):close()
      assert.equal(1, core.counts().listener.live)
      scope:close()
      assert.equal(0, core.counts().listener.live)
    end)
  end)

  it("listens on when it is dropped: its requests hold it", function()
    life.run(function()
      local port
      local kept = setmetatable({}, { __mode = "v" })
      life.forget(function()
        kept[1] = listen()
        port = select(2, kept[1]:address())
      end)
      life.collect()
      assert.is_true(can_connect(port))
      kept[1]:close()
      life.collect()
      assert.is_nil(kept[1])
    end)
  end)

  it("leaves nothing when it could not listen", function()
    life.run(function()
      local first = listen()
      local _, port = first:address()
      for _ = 1, 10 do
        assert.equal("busy", code_of(core.listen {
          host = "127.0.0.1", port = port, settings = core.settings {}, on_request = print,
        }))
      end
      assert.equal(1, core.counts().listener.live)
      first:close()
    end)
  end)

  it("answers closed after its close, for ever", function()
    life.run(function()
      local listener = listen()
      listener:close()
      assert.equal("closed", code_of(listener:address()))
      assert.equal("neap.listener (closed)", tostring(listener))
    end)
  end)

  it("may be closed by a request that it brought, which is still answered", function()
    life.run(function(world)
      world.app:get("/", function()
        world.listener:close()
        neap.sleep(0.01)
        return "late"
      end)
      local peer = assert(socket.connect("127.0.0.1", world:port()))
      peer:send "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
      peer:settimeout(0)
      local got, rest = nil, ""
      life.wait_until(function()
        local part, err, left = peer:receive "*a"
        rest = rest .. (part or left or "")
        got = err == nil or err == "closed"
        return got
      end)
      assert.truthy(rest:find("late", 1, true))
      peer:close()
    end)
  end)

  it("ends with a state that is closed, while a peer waits in line", function()
    local status, output = life.die [[
      local neap, core = require "neap", require "neap.core"
      local socket = require "socket"
      local app = neap.app()
      app:ws("/", { open = function() end })
      neap.run(function()
        local listener = app:listen "http://127.0.0.1:0"
        local _, port = listener:address()
        peers = {}
        for i = 1, 5 do peers[i] = socket.connect("127.0.0.1", port) end
        local path = os.tmpname()
        os.remove(path)
        assert(app:listen("unix:" .. path))
        os.remove(path)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
  end)
end)

-- From its opening until the services have started it listens, and accepts nobody.
describe("a listener that is held", function()
  local function hold()
    local listener = listen()
    listener:hold()
    return listener, select(2, listener:address())
  end

  -- Connects and asks; the answer comes once somebody accepts.
  local function ask(port)
    local peer = assert(socket.connect("127.0.0.1", port))
    peer:send "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    peer:settimeout(0)
    return peer
  end

  local function answer(peer)
    local line, err
    life.wait_until(function()
      line, err = peer:receive "*l"
      return line or err == "closed"
    end)
    peer:close()
    return line
  end

  it("lets whoever comes wait, until it accepts", function()
    life.run(function()
      local listener <close>, port = hold()
      local peer = ask(port)
      neap.sleep(0.03)
      assert.equal("timeout", select(2, peer:receive "*l"))
      assert.equal(0, core.counts().stream.live)
      listener:accept()
      assert.matches("^HTTP/1.1 204 ", answer(peer))
    end)
  end)

  it("ends those who wait when it is closed, by <close> and with its scope", function()
    life.run(function()
      local ways = {
        function(listener) listener:close() listener:close() end,
        function(listener) local _ <close> = listener end,
        function(listener)
          local scope = neap.scope()
          scope:own(listener)
          scope:close()
        end,
      }
      for _, way in ipairs(ways) do
        local listener, port = hold()
        local peer = ask(port)
        way(listener)
        neap.sleep(0)
        assert.is_nil(answer(peer))
        assert.is_false(can_connect(port))
        assert.equal(0, core.counts().listener.live)
      end
    end)
  end)

  it("stays when it is dropped, and may be forgotten by who waits", function()
    life.run(function()
      local kept = setmetatable({}, { __mode = "v" })
      local port
      life.forget(function() kept[1], port = hold() end)
      ask(port):close() -- gone before anybody looked
      local peer = ask(port)
      life.collect()
      kept[1]:accept()
      assert.matches("^HTTP/1.1 204 ", answer(peer))
      kept[1]:close()
    end)
  end)

  it("does nothing more once it is closed", function()
    life.run(function()
      local listener = hold()
      listener:close()
      listener:hold()
      listener:accept()
      assert.equal(0, listener:drain())
      assert.equal("closed", code_of(listener:dup()))
      assert.equal("closed", code_of(listener:address()))
    end)
  end)

  it("ends with a state that is closed", function()
    local status, output = life.die [[
      local core = require "neap.core"
      local socket = require "socket"
      LISTENER = assert(core.listen { host = "127.0.0.1", port = 0, settings = core.settings {},
        on_request = print })
      LISTENER:hold()
      PEER = assert(socket.connect("127.0.0.1", select(2, LISTENER:address())))
    ]]
    assert.equal(0, status, output)
  end)
end)
