-- What a script's last finaliser finds: the loop is gone, and whatever is still
-- called answers as what is closed.

local life = require "spec.support.life"

-- Finalisers run in the reverse order of their making: this one comes last.
local SCRIPT = [[
  LAST = setmetatable({}, { __gc = function() for _, call in ipairs(CALLS) do call() end end })
  local neap, core = require "neap", require "neap.core"
  CALLS = {}
  local function late(fn) CALLS[#CALLS + 1] = fn end
  local function expect_closed(name, fn, ...)
    local given = table.pack(...)
    late(function()
      local ok, _, message, code = pcall(fn, table.unpack(given, 1, given.n))
      local is_right = ok and code == "closed" and type(message) == "string"
      print(is_right and "right" or "WRONG", name, message, code)
    end)
  end
  local function expect(name, wanted, fn, ...)
    local given = table.pack(...)
    late(function()
      local ok, got = pcall(fn, table.unpack(given, 1, given.n))
      print(ok and got == wanted and "right" or "WRONG", name, got)
    end)
  end
  %s
]]

local function die(body, ...)
  local status, output = life.die(SCRIPT:format(body), ...)
  assert.equal(0, status, output)
  assert.is_nil(output:find "WRONG", output)
  return select(2, output:gsub("right", ""))
end

describe("after the loop", function()
  it("nothing new can be made", function()
    assert.equal(17, die [[
      local settings = core.settings {}
      local nothing = function() end
      expect_closed("listen", core.listen, { host = "127.0.0.1", port = 0, settings = settings,
        on_request = nothing })
      expect_closed("pipe", core.pipe, { settings = settings, on_request = nothing })
      expect_closed("socket", core.socket, { address = "127.0.0.1", port = 1 }, nothing)
      expect_closed("timer", core.timer, nothing)
      expect_closed("lookup", core.lookup, "localhost", nothing)
      expect_closed("task", core.task, {}, nothing)
      expect_closed("token", core.token, "scope")
      expect_closed("tls_context", core.tls_context, { role = "client" })
      expect_closed("open_file", core.open_file, ".", "README.md", false)
      expect_closed("audit", core.audit)
      expect_closed("trim", core.trim)
      expect_closed("publish", core.publish, "topic", "data")
      expect_closed("run", core.run)
      expect_closed("post_send", core.post_send, 1, "data")
      expect_closed("post_close", core.post_close, 1)
      expect("find", nil, core.find, 1)
      expect("abandoned", 0, core.abandoned)
    ]])
  end)

  it("the census is empty, and no place is known", function()
    assert.equal(3, die [[
      expect("counts", nil, function() return next(core.counts()) end)
      expect("born", nil, function() return next(core.born "conn") end)
      expect("conns", nil, function() return core.conns()() end)
    ]])
  end)

  it("each handle that was left open answers closed", function()
    assert.equal(15, die [[
      local app = neap.app()
      app:ws("/", { open = function(conn) SERVED = conn end })
      neap.run(function()
        LISTENER = assert(app:listen "http://127.0.0.1:0")
        local _, port = LISTENER:address()
        CONN = assert(neap.connect("ws://127.0.0.1:" .. port .. "/"))
        TIMER = core.timer(function() end)
        PIPE = core.pipe { settings = core.settings {}, on_request = function() end }
        SOCKET = core.socket({ address = "127.0.0.1", port = port }, function() end)
        CONTEXT = core.tls_context { role = "client" }
        while not SERVED do neap.sleep(0.01) end
      end)
      for name, conn in pairs { client = CONN, served = SERVED } do
        expect_closed(name, conn.send, conn, "late")
        expect("state of " .. name, "closed", function() return conn.state end)
        expect("close of " .. name, nil, conn.close, conn)
      end
      expect_closed("address", LISTENER.address, LISTENER)
      expect_closed("dup", LISTENER.dup, LISTENER)
      expect("drain", 0, LISTENER.drain, LISTENER)
      expect("close of the listener", nil, LISTENER.close, LISTENER)
      expect("close of the timer", nil, TIMER.close, TIMER)
      expect_closed("read", SOCKET.read, SOCKET)
      expect_closed("write", SOCKET.write, SOCKET, "late")
      expect_closed("cut", PIPE.cut, PIPE, "reset")
      expect("close of the context", nil, CONTEXT.close, CONTEXT)
    ]])
  end)
end)
