-- Messages that are larger than what one read brings: their bytes are read into
-- their own place, in pieces of every size.

local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{limits = {message = "1M", queue = "16M"}}
app:ws("/", {deflate = false, message = function(_, data) return data end})
return app
]]

local SIZE = 700000

-- 700,000 bytes, in which characters of one to four bytes do not repeat soon.
local function make_text()
  local parts, length = {}, 0
  for i = 1, SIZE do
    local char = utf8.char(33 + i * 7919 % (i % 4 == 0 and 50000 or 90))
    if length + #char > SIZE then break end
    parts[i], length = char, length + #char
  end
  return table.concat(parts) .. ("."):rep(SIZE - length)
end

local function send_in_pieces(client, bytes, size)
  for at = 1, #bytes, size do
    assert(client:raw(bytes:sub(at, at + size - 1)))
  end
end

describe("a large message", function()
  local running, text, frame

  setup(function()
    running = server.start(SCRIPT)
    text = make_text()
    frame = ws.frame { opcode = ws.TEXT, payload = text }
  end)

  teardown(function() running:stop() end)

  for _, size in ipairs { 997, 65536, 70001, 300007, 2 * SIZE } do
    it(("arrives as it was sent, %d bytes at a time"):format(size), function()
      local client <close> = ws.connect(running.port)
      send_in_pieces(client, frame .. ws.frame { opcode = ws.BINARY, payload = "next" }, size)
      local data, opcode = client:receive()
      assert.is_true(data == text and opcode == ws.TEXT)
      assert.same({ "next", ws.BINARY }, { client:receive() })
    end)
  end

  it("may be a fragment, with a ping between it and the rest", function()
    local client <close> = ws.connect(running.port)
    client:raw(ws.frame { opcode = ws.TEXT, payload = text:sub(1, 400000), fin = false }
      .. ws.frame { opcode = ws.PING, payload = "?" }
      .. ws.frame { opcode = ws.CONTINUATION, payload = text:sub(400001) })
    assert.equal("?", client:read().payload)
    assert.is_true(client:receive() == text)
  end)

  it("fails at the byte that is no UTF-8, before its end", function()
    local client <close> = ws.connect(running.port)
    local bad = ("x"):rep(400000) .. "\xff"
    client:raw(ws.frame { opcode = ws.TEXT, payload = bad, length = 900000 })
    assert.equal(1007, (client:read_close()))
    assert.is_true(client:is_ended())
  end)

  it("takes no more memory than it has bytes, whatever it announces", function()
    local client <close> = ws.connect(running.port)
    local function resident()
      local status = io.open(("/proc/%d/status"):format(running.pid)):read "a"
      return tonumber(status:match "VmRSS:%s+(%d+)")
    end
    local others, before = {}, resident()
    for i = 1, 100 do
      others[i] = ws.connect(running.port)
      others[i]:raw(ws.frame { opcode = ws.BINARY, payload = "few", length = 1000000 })
    end
    client:send "are you there?"
    client:receive()
    assert.is_true(resident() - before < 49152)
    for _, other in ipairs(others) do other:close() end
  end)
end)
