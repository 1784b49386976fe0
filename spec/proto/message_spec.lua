local codec = require("neap.core").codec
local wire = require "spec.support.wire"

local TEXT, BINARY, CONTINUATION = wire.TEXT, wire.BINARY, wire.CONTINUATION

local function fragments(opcode, ...)
  local parts = { ... }
  local bytes = {}
  for i, data in ipairs(parts) do
    bytes[i] = wire.frame(i == 1 and opcode or CONTINUATION, data, { fin = i == #parts })
  end
  return table.concat(bytes)
end

describe("a message", function()
  for _, length in ipairs { 0, 1, 125, 126, 127, 128, 4096, 65535, 65536 } do
    it("of " .. length .. " bytes comes as it was sent", function()
      local data = ("z"):rep(length)
      local trace = wire.read_every_way(wire.frame(TEXT, data) .. wire.frame(BINARY, data))
      assert.same({ "text " .. data, "binary " .. data }, { table.unpack(trace) })
    end)
  end

  it("in fragments comes when the last one is in", function()
    local trace = wire.read_every_way(fragments(TEXT, "Hel", "lo, ", "world")
      .. fragments(BINARY, "\xff", "\xfe"))
    assert.same({ "text Hello, world", "binary \xff\xfe" }, { table.unpack(trace) })
  end)

  it("may have empty fragments, and nothing else", function()
    local trace = wire.read_every_way(fragments(TEXT, "", "", "")
      .. fragments(TEXT, "", "middle", "") .. fragments(BINARY, "", ""))
    assert.same({ "text ", "text middle", "binary " }, { table.unpack(trace) })
  end)

  it("may be cut inside a character", function()
    local text = "κόσμε 😀"
    local bytes = {}
    for i = 1, #text do bytes[i] = text:sub(i, i) end
    local trace = wire.read_every_way(fragments(TEXT, table.unpack(bytes)))
    assert.same({ "text " .. text }, { table.unpack(trace) })
  end)

  it("comes whole after one that came in pieces, many times", function()
    local bytes, want = {}, {}
    for i = 1, 40 do
      bytes[#bytes + 1] = fragments(TEXT, "a" .. i, "b") .. wire.frame(BINARY, "c" .. i)
      want[#want + 1] = "text a" .. i .. "b"
      want[#want + 1] = "binary c" .. i
    end
    local trace = wire.read_every_way(table.concat(bytes))
    assert.same(want, { table.unpack(trace) })
  end)

  it("has a ping between its fragments answered at once", function()
    local session <close> = codec.session { role = "server" }
    session:feed(wire.frame(TEXT, "Hel", { fin = false }) .. wire.frame(wire.PING, "now"))
    assert.same({ kind = "ping", data = "now" }, session:next())
    assert.equal("\x8a\x03now", session:output())
    assert.is_nil((session:next()))
    session:feed(wire.frame(CONTINUATION, "lo"))
    assert.same({ kind = "text", data = "Hello" }, session:next())
  end)

  it("is not disturbed by control frames at every cut", function()
    local trace = wire.read_every_way(wire.frame(TEXT, "Hel", { fin = false })
      .. wire.frame(wire.PING, ("p"):rep(125)) .. wire.frame(wire.PONG, "q")
      .. wire.frame(CONTINUATION, "lo"))
    assert.same({ "ping " .. ("p"):rep(125), "pong q", "text Hello" },
      { table.unpack(trace) })
  end)
end)

describe("text that is not UTF-8", function()
  it("fails in a whole frame, and the message before it is delivered", function()
    local trace = wire.read_every_way(wire.frame(TEXT, "fine") .. wire.frame(TEXT, "b\xffd"))
    assert.same({ "text fine" }, { table.unpack(trace) })
    assert.equal(1007, trace.fail)
    assert.equal("\x88\x02\x03\xef", trace.output)
  end)

  it("fails in a fragment, before the last one", function()
    local trace = wire.read_every_way(wire.frame(TEXT, "κόσμε", { fin = false })
      .. wire.frame(CONTINUATION, "\xf4\x90\x80\x80", { fin = false }))
    assert.equal(1007, trace.fail)
  end)

  it("fails at the byte, in a frame that is not whole yet", function()
    local frame = wire.frame(TEXT, "κόσμε\xf4\x90\x80\x80edited")
    assert.is_nil(wire.read({ frame:sub(1, 6 + 11) }).fail)
    assert.equal(1007, wire.read({ frame:sub(1, 6 + 12) }).fail)
  end)

  it("fails where the message ends inside a character", function()
    assert.equal(1007, wire.read_every_way(wire.frame(TEXT, "caf\xc3")).fail)
    assert.equal(1007, wire.read_every_way(fragments(TEXT, "caf", "\xc3")).fail)
    assert.equal(1007, wire.read_every_way(fragments(TEXT, "\xc3", "")).fail)
  end)

  it("is no concern of a binary message", function()
    local trace = wire.read_every_way(fragments(BINARY, "\xc3", "\xff"))
    assert.same({ "binary \xc3\xff" }, { table.unpack(trace) })
  end)
end)

describe("the limit of a message", function()
  it("lets a message of just that size pass", function()
    local trace = wire.read_every_way(
      wire.frame(TEXT, ("x"):rep(100)) .. fragments(TEXT, ("x"):rep(60), ("x"):rep(40)),
      { limit = 100 })
    assert.equal(2, #trace)
    assert.is_nil(trace.fail)
  end)

  it("fails one byte more", function()
    local trace = wire.read_every_way(wire.frame(TEXT, ("x"):rep(101)), { limit = 100 })
    assert.same({ 1009, "too_big" }, { trace.fail, trace.code })
    assert.equal("\x88\x02\x03\xf1", trace.output)
  end)

  it("counts fragments together", function()
    local trace = wire.read_every_way(fragments(BINARY, ("x"):rep(60), ("x"):rep(41)),
      { limit = 100 })
    assert.equal(1009, trace.fail)
  end)

  it("counts each message by itself", function()
    local one = fragments(BINARY, ("x"):rep(60), ("x"):rep(40))
    local trace = wire.read_every_way(one:rep(5), { limit = 100 })
    assert.equal(5, #trace)
  end)

  it("acts at the head, before any payload", function()
    local head = wire.frame(BINARY, "", { declared = 1 << 40 })
    assert.equal(1009, wire.read({ head }, { limit = 1 << 20 }).fail)
  end)

  it("does not fail a control frame", function()
    local trace = wire.read_every_way(wire.frame(wire.PING, "0123456789"), { limit = 4 })
    assert.same({ "ping 0123456789" }, { table.unpack(trace) })
  end)

  it("is none when it is 0", function()
    local data = ("x"):rep(1 << 20)
    assert.equal("binary " .. data, wire.read({ wire.frame(BINARY, data) })[1])
  end)

  it("gives no memory to a length that is only claimed", function()
    local session <close> = codec.session { role = "server" }
    session:feed(wire.frame(BINARY, "few", { declared = 1 << 62 }))
    assert.is_nil((session:next()))
    assert.is_nil(session:fail_code())
  end)

  it("allows 1,024 empty fragments and no more", function()
    local empty = wire.frame(CONTINUATION, "", { fin = false })
    local start = wire.frame(TEXT, "", { fin = false })
    local last = wire.frame(CONTINUATION, "end")
    local trace = wire.read { start .. empty:rep(1023) .. last }
    assert.same({ "text end" }, { table.unpack(trace) })
    trace = wire.read { start .. empty:rep(1024) .. last }
    assert.same({ 1008, "limit" }, { trace.fail, trace.code })
  end)

  it("counts the empty fragments of each message by themselves", function()
    local empty = wire.frame(CONTINUATION, "", { fin = false })
    local message = wire.frame(TEXT, "", { fin = false }) .. empty:rep(600)
      .. wire.frame(CONTINUATION, "end")
    assert.same({ "text end", "text end" }, { table.unpack(wire.read { message:rep(2) }) })
  end)

  it("allows 65,536 fragments that carry bytes", function()
    local data = ("x"):rep(64)
    local more = wire.frame(CONTINUATION, data, { fin = false })
    local trace = wire.read { wire.frame(TEXT, data, { fin = false }) .. more:rep(65534)
      .. wire.frame(CONTINUATION, data) }
    assert.equal("text " .. ("x"):rep(4 << 20), trace[1])
  end)
end)
