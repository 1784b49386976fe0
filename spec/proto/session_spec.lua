local codec = require("neap.core").codec
local wire = require "spec.support.wire"

local frame, close_payload = wire.frame, wire.close_payload
local TEXT, BINARY, CONTINUATION = wire.TEXT, wire.BINARY, wire.CONTINUATION
local PING, PONG, CLOSE = wire.PING, wire.PONG, wire.CLOSE

local function fresh(options)
  options = options or {}
  return codec.session { role = options.role or "server", mask = options.mask }
end

local function kinds(session)
  local seen = {}
  for event in session.next, session do seen[#seen + 1] = event.kind end
  return seen
end

describe("a wrong frame", function()
  local start = frame(TEXT, "x", { fin = false })
  local cases = {
    { "without a mask", frame(TEXT, "Hello", { key = false }) },
    { "without a mask and without payload", frame(TEXT, "", { key = false }) },
    { "with RSV1", frame(TEXT, "x", { rsv = 4 }) },
    { "with RSV2", frame(TEXT, "x", { rsv = 2 }) },
    { "with RSV3", frame(TEXT, "x", { rsv = 1 }) },
    { "with all reserved bits", frame(BINARY, "x", { rsv = 7 }) },
    { "with a reserved bit on a ping", frame(PING, "x", { rsv = 4 }) },
    { "with a reserved bit on a close", frame(CLOSE, "", { rsv = 1 }) },
    { "with a reserved bit on a fragment", start .. frame(CONTINUATION, "x", { rsv = 4 }) },
    { "that is a fragmented ping", frame(PING, "x", { fin = false }) },
    { "that is a fragmented pong", frame(PONG, "x", { fin = false }) },
    { "that is a fragmented close", frame(CLOSE, "", { fin = false }) },
    { "that is a ping of 126 bytes", frame(PING, ("x"):rep(126)) },
    { "that is a pong of 126 bytes", frame(PONG, ("x"):rep(126)) },
    { "that is a close of 126 bytes", frame(CLOSE, close_payload(1000, ("x"):rep(124))) },
    { "that is a ping with a 64-bit length", frame(PING, "x", { length_bytes = 8 }) },
    { "with 5 in two bytes", frame(TEXT, "Hello", { length_bytes = 2 }) },
    { "with 125 in two bytes", frame(TEXT, ("x"):rep(125), { length_bytes = 2 }) },
    { "with 126 in eight bytes", frame(TEXT, ("x"):rep(126), { length_bytes = 8 }) },
    { "with 65535 in eight bytes", frame(TEXT, ("x"):rep(65535), { length_bytes = 8 }) },
    { "with the sign bit in its length",
      frame(BINARY, "x", { declared = math.mininteger + 1, length_bytes = 8 }) },
    { "that continues no message", frame(CONTINUATION, "x") },
    { "that continues no message, with more to come",
      frame(CONTINUATION, "x", { fin = false }) },
    { "that continues a message that has ended", start .. frame(CONTINUATION, "y")
      .. frame(CONTINUATION, "z"), { "text xy" } },
    { "that begins a text inside a text", start .. frame(TEXT, "y") },
    { "that begins a binary inside a text", start .. frame(BINARY, "y") },
    { "that is a close of one byte", frame(CLOSE, "\x03") },
    { "that is a close with a bad reason", frame(CLOSE, close_payload(1000, "\xff")), {}, 1007 },
    { "that is a close with half a character",
      frame(CLOSE, close_payload(1000, "\xe2\x82")), {}, 1007 },
    { "that is a text of bad UTF-8", frame(TEXT, "a\xc0\xaf"), {}, 1007 },
    { "behind two messages", frame(TEXT, "a") .. frame(BINARY, "b") .. frame(3, "c"),
      { "text a", "binary b" } },
  }
  for opcode = 3, 15 do
    if opcode < CLOSE or opcode > PONG then
      cases[#cases + 1] = { "with opcode " .. opcode, frame(opcode, "x") }
    end
  end
  for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 } do
    cases[#cases + 1] = { "that closes with " .. code, frame(CLOSE, close_payload(code)) }
  end

  for _, case in ipairs(cases) do
    local name, bytes, events, code = table.unpack(case)
    code = code or 1002
    it(name .. " fails with " .. code, function()
      local trace = wire.read_every_way(bytes)
      assert.same(events or {}, { table.unpack(trace) })
      assert.same({ code, "protocol", true }, { trace.fail, trace.code, trace.done })
      assert.equal("\x88\x02" .. close_payload(code), trace.output)
    end)
  end

  it("fails a client when it is masked", function()
    local options = { role = "client", mask = wire.KEY }
    local trace = wire.read_every_way(frame(TEXT, "x"), options)
    assert.equal(1002, trace.fail)
    assert.equal(frame(CLOSE, close_payload(1002)), trace.output)
    trace = wire.read_every_way(frame(TEXT, "x", { key = false }), options)
    assert.same({ "text x" }, { table.unpack(trace) })
  end)

  it("fails as soon as its first two bytes are in", function()
    assert.equal(1002, wire.read({ "\x81\x05" }).fail)
    assert.equal(1002, wire.read({ "\x83\x85" }).fail)
    assert.equal(1002, wire.read({ "\xc1\xfe" }).fail)
    assert.is_nil(wire.read({ "\xc1" }).fail)
  end)
end)

describe("a session that has failed", function()
  it("says the same for ever and writes its close once", function()
    local session <close> = fresh()
    session:feed(frame(3, "") .. frame(TEXT, "never seen"))
    local first = table.pack(session:next())
    assert.same({ nil, "a frame with a reserved opcode", "protocol", n = 3 }, first)
    assert.equal("\x88\x02\x03\xea", session:output())
    for _ = 1, 3 do
      assert.is_true(session:feed(frame(TEXT, "x")))
      assert.same(first, table.pack(session:next()))
    end
    assert.equal("", session:output())
    assert.equal(1002, session:fail_code())
    assert.is_true(session:done())
  end)

  it("sends nothing more", function()
    local session <close> = fresh()
    session:feed(frame(3, ""))
    session:next()
    session:output()
    assert.equal("closed", (select(3, session:send("x"))))
    assert.equal("closed", (select(3, session:ping())))
    assert.equal("closed", (select(3, session:close(1000))))
    assert.equal("", session:output())
  end)

  it("writes no close when one is out already", function()
    local session <close> = fresh()
    session:close(1001)
    session:feed(frame(3, ""))
    assert.equal("protocol", (select(3, session:next())))
    assert.equal("\x88\x02\x03\xe9", session:output())
    assert.is_true(session:done())
  end)
end)

describe("pings", function()
  it("are answered in order, ten at once", function()
    local pings, pongs = {}, {}
    for i = 1, 10 do
      pings[i] = frame(PING, "payload " .. i)
      pongs[i] = codec.frame { opcode = PONG, data = "payload " .. i }
    end
    local trace = wire.read_every_way(table.concat(pings))
    assert.equal(10, #trace)
    assert.equal(table.concat(pongs), trace.output)
  end)

  for _, length in ipairs { 0, 1, 124, 125 } do
    it("of " .. length .. " bytes are answered in kind", function()
      local data = ("\xfe"):rep(length)
      local trace = wire.read_every_way(frame(PING, data))
      assert.equal(codec.frame { opcode = PONG, data = data }, trace.output)
    end)
  end

  it("are not answered once our close is out, but are still seen", function()
    local session <close> = fresh()
    session:close(1000)
    session:output()
    session:feed(frame(PING, "x"))
    assert.same({ "ping" }, kinds(session))
    assert.equal("", session:output())
  end)

  it("of a server are answered under a mask", function()
    local session <close> = fresh { role = "client", mask = wire.KEY }
    session:feed("\x89\x05Hello")
    session:next()
    assert.equal("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", session:output())
  end)

  it("have pongs that nobody asked for tolerated", function()
    local trace = wire.read_every_way(frame(PONG, "x") .. frame(PONG, ""))
    assert.same({ "pong x", "pong " }, { table.unpack(trace) })
    assert.equal("", trace.output)
  end)
end)

describe("closing", function()
  for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012,
    1013, 1014, 3000, 3999, 4000, 4999 } do
    it("by the peer with " .. code .. " is answered in kind", function()
      local trace = wire.read_every_way(frame(CLOSE, close_payload(code, "bye")))
      assert.same({ ("close %d bye"):format(code) }, { table.unpack(trace) })
      assert.equal("\x88\x02" .. close_payload(code), trace.output)
      assert.is_true(trace.done)
    end)
  end

  it("by an empty close is answered by one, and seen as 1005", function()
    local trace = wire.read_every_way(frame(CLOSE, ""))
    assert.same({ "close 1005 " }, { table.unpack(trace) })
    assert.equal("\x88\x00", trace.output)
    assert.is_true(trace.done)
  end)

  it("takes a reason of 123 bytes", function()
    local reason = ("€"):rep(41)
    local trace = wire.read_every_way(frame(CLOSE, close_payload(1000, reason)))
    assert.same({ "close 1000 " .. reason }, { table.unpack(trace) })
  end)

  it("ends reading: what follows is not looked at", function()
    local trace = wire.read_every_way(frame(CLOSE, close_payload(1000))
      .. frame(TEXT, "late") .. frame(3, "") .. frame(CLOSE, ""))
    assert.same({ "close 1000 " }, { table.unpack(trace) })
    assert.is_nil(trace.fail)
    assert.equal("\x88\x02\x03\xe8", trace.output)
  end)

  it("may come in the middle of a fragmented message", function()
    local trace = wire.read_every_way(frame(TEXT, "x", { fin = false }) .. frame(CLOSE, ""))
    assert.same({ "close 1005 " }, { table.unpack(trace) })
  end)

  it("begun by us is done when the peer has answered", function()
    local session <close> = fresh()
    assert.is_true(session:close(1000, "bye"))
    assert.equal("\x88\x05\x03\xe8bye", session:output())
    assert.is_false(session:done())
    session:feed(frame(CLOSE, close_payload(1000)))
    assert.same({ kind = "close", code = 1000, reason = "" }, session:next())
    assert.is_true(session:done())
    assert.equal("", session:output())
  end)

  it("begun by both at once sends one close", function()
    local session <close> = fresh()
    session:feed(frame(CLOSE, close_payload(1001)))
    assert.is_true(session:close(1000))
    assert.equal(1001, session:next().code)
    assert.equal("\x88\x02\x03\xe8", session:output())
    assert.is_true(session:done())
  end)

  it("begun by us still delivers what the peer had sent", function()
    local session <close> = fresh()
    session:close(1000)
    session:feed(frame(TEXT, "late") .. frame(BINARY, "later") .. frame(CLOSE, ""))
    assert.same({ "text", "binary", "close" }, kinds(session))
  end)

  it("refuses all that is sent behind it", function()
    local session <close> = fresh()
    session:close()
    assert.equal("\x88\x00", session:output())
    for _, method in ipairs { "send", "ping", "pong" } do
      assert.equal("closed", (select(3, session[method](session, "x"))))
    end
    assert.equal("closed", (select(3, session:close(1000))))
    assert.equal("", session:output())
  end)

  it("refuses a code or a reason that may not be sent, and goes on", function()
    local session <close> = fresh()
    for _, code in ipairs { 1, 999, 1004, 1005, 1006, 1015, 2999, 5000 } do
      assert.equal("protocol", (select(3, session:close(code))))
    end
    assert.equal("protocol", (select(3, session:close(1000, ("x"):rep(124)))))
    assert.equal("protocol", (select(3, session:close(1000, "\xff"))))
    assert.equal("protocol", (select(3, session:close(nil, "no code"))))
    assert.is_true(session:send("still open"))
    assert.is_true(session:close(1000, ("x"):rep(123)))
    assert.equal(2, #wire.frames(session:output()))
  end)
end)

describe("sending", function()
  for _, length in ipairs { 0, 1, 125, 126, 65535, 65536 } do
    it(length .. " bytes makes one frame that the other side reads", function()
      local data = ("y"):rep(length)
      for _, role in ipairs { "server", "client" } do
        local from <close> = fresh { role = role }
        local to <close> = fresh { role = role == "server" and "client" or "server" }
        assert(from:send(data))
        assert(from:send(data, "binary"))
        local bytes = from:output()
        assert.equal(2, #wire.frames(bytes))
        assert(to:feed(bytes))
        assert.same({ kind = "text", data = data }, to:next())
        assert.same({ kind = "binary", data = data }, to:next())
      end
    end)
  end

  it("masks with a new key each time for a client, never for a server", function()
    local client <close> = fresh { role = "client" }
    local keys = {}
    for _ = 1, 50 do client:send("x") end
    for _, head in ipairs(wire.frames(client:output())) do keys[head.key] = true end
    local count = 0
    for _ in pairs(keys) do count = count + 1 end
    assert.is_true(count > 45)

    local server <close> = fresh()
    server:send("x")
    assert.is_nil(wire.frames(server:output())[1].key)
  end)

  it("refuses text that is not UTF-8, and goes on", function()
    local session <close> = fresh()
    assert.equal("protocol", (select(3, session:send("a\xff"))))
    assert.is_true(session:send("a\xff", "binary"))
    assert.equal("\x82\x02a\xff", session:output())
  end)

  it("refuses a ping over 125 bytes, and goes on", function()
    local session <close> = fresh()
    assert.equal("protocol", (select(3, session:ping(("x"):rep(126)))))
    assert.is_true(session:ping(("x"):rep(125)))
    assert.is_true(session:pong())
    assert.equal(2, #wire.frames(session:output()))
  end)
end)

describe("a pause", function()
  it("keeps what has not been read yet", function()
    local session <close> = fresh()
    session:feed(frame(TEXT, "one") .. frame(PING, "two") .. frame(TEXT, "three"):sub(1, -3))
    assert.equal("one", session:next().data)
    assert.is_true(session:pause())
    assert.is_true(session:pause())
    assert.equal("two", session:next().data)
    assert.is_nil((session:next()))
    session:feed(frame(TEXT, "three"):sub(-2))
    assert.equal("three", session:next().data)
  end)

  it("before anything was fed, or after all was read, is nothing", function()
    local session <close> = fresh()
    assert.is_true(session:pause())
    session:feed(frame(TEXT, "x"))
    assert.same({ "text" }, kinds(session))
    assert.is_true(session:pause())
    assert.is_nil((session:next()))
  end)
end)

describe("a codec session's lifetime", function()
  local methods = { "feed", "next", "pause", "send", "ping", "pong", "close", "output",
    "done", "fail_code" }

  local function assert_closed(session)
    for _, method in ipairs(methods) do
      local answer, message, code = session[method](session, "1000")
      assert.is_nil(answer)
      assert.is_string(message)
      assert.equal("closed", code)
    end
    assert.equal("neap.codec.session (closed)", tostring(session))
  end

  it("ends at terminate, twice if need be", function()
    local session = fresh()
    session:feed(frame(TEXT, "x"))
    session:terminate()
    session:terminate()
    assert_closed(session)
  end)

  it("ends with its scope, also when that fails", function()
    local escaped
    assert.has_error(function()
      local session <close> = fresh()
      session:feed(frame(TEXT, "x", { fin = false }) .. frame(PING, "y"):sub(1, 7))
      session:next()
      escaped = session
      error "oops"
    end)
    assert_closed(escaped)
  end)

  it("ends when it is dropped", function()
    local seen = setmetatable({}, { __mode = "k" })
    do
      local session = fresh()
      session:feed(frame(TEXT, ("x"):rep(1000)):sub(1, 500))
      session:next()
      session:send("unread")
      seen[session] = true
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(seen))
  end)

  it("is safe in a finalizer that runs after its own", function()
    local answer
    do
      local session
      setmetatable({}, { __gc = function() answer = table.pack(session:next()) end })
      session = fresh()
    end
    collectgarbage()
    collectgarbage()
    assert.equal("closed", answer[3])
  end)

  it("is busy while events are left", function()
    local session <close> = fresh()
    session:feed(frame(TEXT, "x"))
    assert.equal("busy", (select(3, session:feed("y"))))
    assert.same({ "text" }, kinds(session))
    assert.is_true(session:feed("y"))
  end)

  it("begins with options that are right", function()
    assert.has_error(function() codec.session { role = "peer" } end)
    assert.has_error(function() codec.session {} end)
    assert.has_error(function() codec.session { role = "server", limit = -1 } end)
    assert.has_error(function() codec.session { role = "client", mask = "abc" } end)
    assert.has_error(function() codec.session { role = "server", limits = 1 } end,
      "unknown option 'limits' (role, limit, mask and deflate are known)")
  end)
end)
