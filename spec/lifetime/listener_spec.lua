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
    on_request = on_request or function(req) req:answer(204, nil, "", "") end,
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
