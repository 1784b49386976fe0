-- What wrong bytes get on a real socket: each case is sent whole and byte by
-- byte, and must be answered with its close code and the end of the connection.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{limits = {message = "64K"}}
app:ws("/", {message = function(_, data) return data end})
return app
]]

local frame = ws.frame

local function close_frame(code, reason)
  return frame { opcode = 8, payload = string.pack(">I2", code) .. (reason or "") }
end

local cases = {
  { 1002, "an unmasked frame", frame { opcode = 1, payload = "hi", mask = false } },
  { 1002, "a long ping", frame { opcode = 9, payload = ("x"):rep(126) } },
  { 1002, "a fragmented ping", frame { opcode = 9, fin = false, payload = "x" } },
  { 1002, "a fragmented close", frame { opcode = 8, fin = false } },
  { 1002, "a short length in 16 bits", frame { opcode = 2, payload = "x", size = "16" } },
  { 1002, "a short length in 64 bits", frame { opcode = 2, payload = "x", size = "64" } },
  { 1002, "a length with the top bit set",
    frame { opcode = 2, length = math.mininteger, size = "64" } },
  { 1002, "a continuation of nothing", frame { opcode = 0, payload = "x" } },
  { 1002, "a message inside a message",
    frame { opcode = 1, fin = false, payload = "a" } .. frame { opcode = 1, payload = "b" } },
  { 1007, "text that is not UTF-8", frame { opcode = 1, payload = "\xff" } },
  { 1007, "text that ends inside a character", frame { opcode = 1, payload = "\xe2\x82" } },
  { 1007, "an encoded surrogate", frame { opcode = 1, payload = "\xed\xa0\x80" } },
  { 1007, "an overlong form", frame { opcode = 1, payload = "\xc0\xaf" } },
  { 1007, "a bad byte in a first fragment", frame { opcode = 1, fin = false, payload = "a\xff" } },
  { 1007, "a bad byte in a later fragment", frame { opcode = 1, fin = false, payload = "\xe2" }
    .. frame { opcode = 0, fin = false, payload = "\x28" } },
  { 1007, "a bad byte in a frame that never ends",
    frame { opcode = 1, payload = "\xf4\x90", length = 100 } },
  { 1009, "a message over the limit, at its head", frame { opcode = 2, length = 65537 } },
  { 1009, "fragments over the limit", frame { opcode = 2, fin = false, payload = ("x"):rep(40000) }
    .. frame { opcode = 0, fin = false, length = 40000 }, whole_only = true },
  { 1002, "a close payload of one byte", frame { opcode = 8, payload = "\3" } },
  { 1007, "a close reason that is not UTF-8", close_frame(1000, "\xff") },
}

for rsv, name in pairs { [4] = "RSV1", [2] = "RSV2", [1] = "RSV3" } do
  cases[#cases + 1] = { 1002, "a frame with " .. name, frame { opcode = 1, rsv = rsv } }
end
for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
  cases[#cases + 1] = { 1002, "opcode " .. opcode, frame { opcode = opcode } }
end
for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535 } do
  cases[#cases + 1] = { 1002, "close code " .. code, close_frame(code) }
end

describe("a wrong frame", function()
  local running, port

  setup(function()
    running = server.start(SCRIPT)
    port = running.port
  end)

  teardown(function() running:stop() end)

  local function code_for(bytes, send)
    local client <close> = ws.connect(port)
    client:send "before"
    client[send](client, bytes)
    assert.equal("before", client:receive())
    local code = client:read_close()
    assert.is_true(client:is_ended())
    return code
  end

  for _, case in ipairs(cases) do
    it(("gets %d: %s"):format(case[1], case[2]), function()
      assert.equal(case[1], code_for(case[3], "raw"))
    end)

    if not case.whole_only then
      it(("gets %d: %s, byte by byte"):format(case[1], case[2]), function()
        assert.equal(case[1], code_for(case[3], "trickle"))
      end)
    end
  end

  it("is noticed behind a good one in the same segment", function()
    local client <close> = ws.connect(port)
    client:raw(frame { opcode = 1, payload = "good" } .. frame { opcode = 3 })
    assert.equal("good", client:receive())
    assert.equal(1002, (client:read_close()))
  end)

  it("costs nobody else the connection", function()
    local bystander <close> = ws.connect(port)
    code_for(frame { opcode = 3 }, "raw")
    bystander:send "still here"
    assert.equal("still here", bystander:receive())
  end)
end)

describe("a right frame", function()
  local running, port

  setup(function()
    running = server.start(SCRIPT)
    port = running.port
  end)

  teardown(function() running:stop() end)

  for _, length in ipairs { 0, 1, 125, 126, 127, 65535, 65536 } do
    it(("of %d bytes is echoed in the shortest form"):format(length), function()
      local client <close> = ws.connect(port)
      local payload = ("~"):rep(length)
      client:send(payload, ws.BINARY)
      local answer = client:read()
      assert.is_false(answer.masked)
      assert.equal(ws.BINARY, answer.opcode)
      assert.is_true(answer.payload == payload)
    end)
  end

  it("may come in fragments, with a ping between them", function()
    local client <close> = ws.connect(port)
    client:raw(frame { opcode = 1, fin = false, payload = "ti" }
      .. frame { opcode = 9, payload = "now?" })
    local pong = client:read()
    assert.equal(ws.PONG, pong.opcode)
    assert.equal("now?", pong.payload)
    client:raw(frame { opcode = 0, payload = "de" })
    assert.equal("tide", client:receive())
  end)

  it("of ten pings gets ten pongs in order", function()
    local client <close> = ws.connect(port)
    local pings = {}
    for i = 1, 10 do pings[i] = frame { opcode = 9, payload = tostring(i) } end
    client:raw(table.concat(pings))
    for i = 1, 10 do assert.equal(tostring(i), client:read().payload) end
  end)

  it("of a pong that nobody asked for is ignored", function()
    local client <close> = ws.connect(port)
    client:raw(frame { opcode = 10, payload = "?" })
    client:send "hello"
    assert.equal("hello", client:receive())
  end)

  for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4999 } do
    it(("of close code %d is answered in kind"):format(code), function()
      local client <close> = ws.connect(port)
      client:send_close(code, "so long")
      assert.equal(code, (client:read_close()))
      assert.is_true(client:is_ended())
    end)
  end

  it("of an empty close is answered, and the server ends TCP", function()
    local client <close> = ws.connect(port)
    client:send_close()
    assert.is_number((client:read_close()))
    assert.is_true(client:is_ended())
  end)
end)
