-- RFC 6455, section by section: each MUST, memory to memory; frames whole, byte by
-- byte, cut anyhow and with pauses, for both roles.
local codec = require("neap.core").codec
local wire = require "spec.support.wire"

local TEXT, BINARY, CONTINUATION = wire.TEXT, wire.BINARY, wire.CONTINUATION
local PING, PONG, CLOSE = wire.PING, wire.PONG, wire.CLOSE
local MORE = { fin = false }
local LARGE = 5000 -- bytes that are cut in every way
local KEY = "dGhlIHNhbXBsZSBub25jZQ=="
local ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

-- ---- heads, as a table of fields with changes

local function head(first, fields, changes)
  local lines = { first }
  for _, field in ipairs(fields) do
    local value = changes[field[1]]
    if value == nil then value = field[2] end
    for _, one in ipairs(type(value) == "table" and value or { value or nil }) do
      lines[#lines + 1] = field[1] .. ": " .. one
    end
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function request(changes, first)
  return head(first or "GET /chat HTTP/1.1", {
    { "Host", "server.example.com" }, { "Upgrade", "websocket" }, { "Connection", "Upgrade" },
    { "Sec-WebSocket-Key", KEY }, { "Sec-WebSocket-Version", "13" },
    { "Sec-WebSocket-Extensions", false }, { "Content-Length", false },
    { "Transfer-Encoding", false },
  }, changes or {})
end

local function response(changes, first)
  return head(first or "HTTP/1.1 101 Switching Protocols", {
    { "Upgrade", "websocket" }, { "Connection", "Upgrade" }, { "Sec-WebSocket-Accept", ACCEPT },
  }, changes or {})
end

local function status_of(bytes)
  return (select(4, codec.check_upgrade(bytes)))
end

-- ---- frames, of the peer of a role

local function peer_of(role)
  local peer = {}
  function peer.frame(opcode, data, more)
    local draft = { opcode = opcode, data = data, key = role == "server" and wire.KEY or nil }
    for name, value in pairs(more or {}) do draft[name] = value end
    return codec.frame(draft)
  end

  function peer.read(bytes, more)
    local options = { role = role, mask = wire.KEY }
    for name, value in pairs(more or {}) do options[name] = value end
    if #bytes <= LARGE then return wire.read_every_way(bytes, options) end
    local whole = wire.read({ bytes }, options)
    assert.same(whole, wire.read({ bytes:sub(1, 7), bytes:sub(8, -9), bytes:sub(-8) }, options))
    return whole
  end

  function peer.assert_fails(code, bytes, events)
    local trace = peer.read(bytes)
    assert.same(events or {}, { table.unpack(trace) })
    assert.same({ code, true }, { trace.fail, trace.done })
    local close = wire.frames(trace.output)
    assert.same({ CLOSE, string.pack(">I2", code) },
      { close[#close].opcode, close[#close].data })
  end

  return peer
end

describe("section 4.1, a client's handshake:", function()
  it("is a GET of HTTP/1.1 with a Host, and asks for the upgrade", function()
    local key = codec.key(("\1"):rep(16))
    assert.equal(24, #key)
    local bytes = codec.upgrade_request { host = "a.example:81", target = "/x?y", key = key }
    assert.equal("GET /x?y HTTP/1.1", bytes:match "^[^\r]*")
    for _, line in ipairs {
      "Host: a.example:81", "Upgrade: websocket", "Connection: Upgrade",
      "Sec-WebSocket-Key: " .. key, "Sec-WebSocket-Version: 13",
    } do
      assert.truthy(bytes:find("\r\n" .. line .. "\r\n", 1, true), line)
    end
    assert.is_string((codec.check_upgrade(bytes)))
  end)

  for name, bytes in pairs {
    ["another status than 101"] = response({}, "HTTP/1.1 200 OK"),
    ["no Upgrade"] = response { Upgrade = false },
    ["another Upgrade"] = response { Upgrade = "h2c" },
    ["two Upgrades"] = response { Upgrade = { "websocket", "websocket" } },
    ["no Connection"] = response { Connection = false },
    ["another Connection"] = response { Connection = "close" },
    ["no Sec-WebSocket-Accept"] = response { ["Sec-WebSocket-Accept"] = false },
    ["a Sec-WebSocket-Accept for another key"]
      = response { ["Sec-WebSocket-Accept"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
    ["HTTP/1.0"] = response({}, "HTTP/1.0 101 Switching Protocols"),
  } do
    it("fails with " .. name, function()
      assert.equal("protocol", (select(3, codec.check_answer(bytes, KEY))))
    end)
  end

  it("takes an answer whatever the case of its words", function()
    assert.truthy((codec.check_answer(
      response { Upgrade = "WebSocket", Connection = "keep-alive, UPGRADE" }, KEY)))
  end)

  it("fails with an extension that was not asked for", function()
    local bytes = "HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: x-foo\r\n\r\n"
    assert.equal("protocol", (select(3, codec.deflate_check(bytes, false))))
  end)
end)

describe("section 4.2, a server's handshake:", function()
  it("answers the key (4.2.2)", function()
    assert.equal(ACCEPT, (codec.check_upgrade(request())))
    assert.equal(ACCEPT, codec.accept_key(KEY))
  end)

  local refused = {
    ["POST"] = { request({}, "POST /chat HTTP/1.1"), 405 },
    ["HTTP/1.0"] = { request({}, "GET /chat HTTP/1.0"), 400 },
    ["no Host"] = { request { Host = false }, 400 },
    ["two Hosts"] = { request { Host = { "a", "b" } }, 400 },
    ["no Upgrade"] = { request { Upgrade = false }, 400 },
    ["another Upgrade"] = { request { Upgrade = "h2c" }, 400 },
    ["no Connection"] = { request { Connection = false }, 400 },
    ["another Connection"] = { request { Connection = "close" }, 400 },
    ["no key"] = { request { ["Sec-WebSocket-Key"] = false }, 400 },
    ["two keys"] = { request { ["Sec-WebSocket-Key"] = { KEY, KEY } }, 400 },
    ["a short key"] = { request { ["Sec-WebSocket-Key"] = "c2hvcnQ=" }, 400 },
    ["a key that is no base64"]
      = { request { ["Sec-WebSocket-Key"] = "!!!!!!!!!!!!!!!!!!!!!!==" }, 400 },
    ["no version (4.4)"] = { request { ["Sec-WebSocket-Version"] = false }, 426 },
    ["another version (4.4)"] = { request { ["Sec-WebSocket-Version"] = "8" }, 426 },
    ["two versions"] = { request { ["Sec-WebSocket-Version"] = { "13", "13" } }, 426 },
    ["malformed extensions (9.1)"] = { request { ["Sec-WebSocket-Extensions"] = "a;" }, 400 },
    ["a body"] = { request { ["Content-Length"] = "5" }, 400 },
    ["a chunked body"] = { request { ["Transfer-Encoding"] = "chunked" }, 400 },
  }
  for name, case in pairs(refused) do
    it(("refuses %s with %d (4.2.1)"):format(name, case[2]), function()
      assert.equal(case[2], status_of(case[1]))
    end)
  end

  it("takes lists and any case (4.2.1)", function()
    assert.equal(ACCEPT, (codec.check_upgrade(
      request { Upgrade = "foo, WebSocket", Connection = "keep-alive, upgrade" })))
  end)

  it("takes an extension that it does not know, and leaves it out (9.1)", function()
    local bytes = request { ["Sec-WebSocket-Extensions"] = "x-foo; bar=1" }
    assert.equal(ACCEPT, (codec.check_upgrade(bytes)))
    assert.is_nil((codec.deflate_accept(bytes)))
  end)
end)

for _, role in ipairs { "server", "client" } do
  local peer = peer_of(role)
  local frame = peer.frame

  describe("a " .. role .. ", section 5.1, masking:", function()
    it("fails what is masked otherwise than its peer must", function()
      local other = role == "server" and {} or { key = wire.KEY }
      local draft = { opcode = TEXT, data = "x", key = other.key }
      peer.assert_fails(1002, codec.frame(draft))
      draft.data = ""
      peer.assert_fails(1002, codec.frame(draft))
    end)

    it("masks what it sends if it is a client, and only then (5.3)", function()
      local session <close> = codec.session { role = role }
      local keys = {}
      for i = 1, 20 do
        session:send "x"
        local sent = wire.frames(session:output())[1]
        assert.equal(role == "client", sent.masked)
        keys[i] = sent.key
      end
      session:ping "x"
      session:close(1000)
      for _, sent in ipairs(wire.frames(session:output())) do
        assert.equal(role == "client", sent.masked)
      end
      table.sort(keys)
      for i = 2, #keys do assert.are_not.equal(keys[i - 1], keys[i]) end -- 10.3
    end)
  end)

  describe("a " .. role .. ", section 5.2, framing:", function()
    for rsv = 1, 7 do
      it("fails reserved bits without an extension: " .. rsv, function()
        peer.assert_fails(1002, frame(TEXT, "x", { rsv = rsv }))
        peer.assert_fails(1002, frame(PING, "x", { rsv = rsv }))
      end)
    end

    for _, opcode in ipairs { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 } do
      it("fails opcode " .. opcode, function() peer.assert_fails(1002, frame(opcode, "")) end)
    end

    for length, form in pairs { [0] = 2, [125] = 2, [126] = 8, [65535] = 8 } do
      it(("fails %d in %d bytes, since it has a shorter form"):format(length, form), function()
        peer.assert_fails(1002, frame(BINARY, ("x"):rep(length), { length_bytes = form }))
      end)
    end

    it("fails a length with its highest bit set", function()
      peer.assert_fails(1002,
        frame(BINARY, "x", { declared = math.mininteger + 1, length_bytes = 8 }))
    end)

    for _, length in ipairs { 0, 1, 125, 126, 65535, 65536 } do
      it(("takes, and writes, %d bytes in the shortest form"):format(length), function()
        local data = ("x"):rep(length)
        assert.same({ "text " .. data }, { table.unpack(peer.read(frame(TEXT, data))) })
        local session <close> = codec.session { role = role, mask = wire.KEY }
        session:send(data)
        local want = codec.frame { opcode = TEXT, data = data,
          key = role == "client" and wire.KEY or nil }
        assert.is_true(want == session:output())
      end)
    end
  end)

  describe("a " .. role .. ", section 5.4, fragments:", function()
    it("are put together in their order, with control frames between", function()
      local trace = peer.read(frame(TEXT, "a", MORE) .. frame(PING, "p")
        .. frame(CONTINUATION, "b", MORE) .. frame(PONG, "q") .. frame(CONTINUATION, "c"))
      assert.same({ "ping p", "pong q", "text abc" }, { table.unpack(trace) })
    end)

    it("fail where nothing is to be continued", function()
      peer.assert_fails(1002, frame(CONTINUATION, "x"))
      peer.assert_fails(1002, frame(TEXT, "a") .. frame(CONTINUATION, "x", MORE), { "text a" })
    end)

    it("fail where another message begins between them", function()
      peer.assert_fails(1002, frame(TEXT, "a", MORE) .. frame(TEXT, "b"))
      peer.assert_fails(1002, frame(TEXT, "a", MORE) .. frame(BINARY, "b", MORE))
    end)

    it("have the type of the first", function()
      assert.same({ "binary \xff\xfe" }, { table.unpack(
        peer.read(frame(BINARY, "\xff", MORE) .. frame(CONTINUATION, "\xfe"))) })
    end)
  end)

  describe("a " .. role .. ", section 5.5, control frames:", function()
    for name, opcode in pairs { close = CLOSE, ping = PING, pong = PONG } do
      it("fails a " .. name .. " over 125 bytes", function()
        peer.assert_fails(1002, frame(opcode, "\x03\xe8" .. ("x"):rep(124)))
      end)
      it("fails a fragmented " .. name, function()
        peer.assert_fails(1002, frame(opcode, "\x03\xe8", MORE))
      end)
    end

    it("answers a ping with its payload (5.5.2, 5.5.3)", function()
      for _, data in ipairs { "", "x", ("\xff"):rep(125) } do
        local pong = wire.frames(peer.read(frame(PING, data)).output)[1]
        assert.same({ PONG, data }, { pong.opcode, pong.data })
      end
    end)

    it("does not answer a pong (5.5.3)", function()
      local trace = peer.read(frame(PONG, "x"))
      assert.same({ "pong x", "" }, { trace[1], trace.output })
    end)

    it("answers a close with its code, once, and reads nothing after it (5.5.1)", function()
      for _, payload in ipairs { "", "\x03\xe8", "\x0f\xa0why" } do
        local trace = peer.read(frame(CLOSE, payload) .. frame(TEXT, "x") .. frame(PING, "x")
          .. frame(CLOSE, ""))
        assert.equal(1, #trace)
        assert.is_true(trace.done)
        local sent = wire.frames(trace.output)
        assert.same({ 1, CLOSE, payload:sub(1, 2) }, { #sent, sent[1].opcode, sent[1].data })
      end
    end)

    it("sends nothing after its close (5.5.1)", function()
      local session <close> = codec.session { role = role }
      session:close(1000)
      session:output()
      for _, method in ipairs { "send", "ping", "pong" } do
        assert.equal("closed", (select(3, session[method](session, "x"))))
      end
      assert.equal("closed", (select(3, session:close(1000))))
      session:feed(frame(PING, "x") .. frame(TEXT, "late"))
      assert.equal("ping", session:next().kind)
      assert.equal("late", session:next().data) -- the peer may not know yet
      assert.is_nil(session:next())
      assert.equal("", session:output())
    end)
  end)

  describe("a " .. role .. ", section 7, closing:", function()
    for _, payload in ipairs { "\x03", "x" } do
      it("fails a close with one byte (5.5.1)", function()
        peer.assert_fails(1002, frame(CLOSE, payload))
      end)
    end

    it("fails a code that must not be sent (7.4)", function()
      for _, code in ipairs { 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 } do
        peer.assert_fails(1002, frame(CLOSE, wire.close_payload(code)))
      end
    end)

    it("sends no such code either (7.4.1)", function()
      for _, code in ipairs { 999, 1004, 1005, 1006, 1015, 2999, 5000 } do
        local session <close> = codec.session { role = role }
        assert.equal("protocol", (select(3, session:close(code))))
        assert.equal("", session:output())
      end
    end)

    it("tells 1005 for a close without a code (7.1.5)", function()
      assert.same({ "close 1005 " }, { table.unpack(peer.read(frame(CLOSE, ""))) })
    end)

    it("fails a reason that is not UTF-8 (7.1.6)", function()
      peer.assert_fails(1007, frame(CLOSE, wire.close_payload(1000, "\xc0\xaf")))
    end)

    it("is done when Close frames went both ways, not before (7.1.4)", function()
      local session <close> = codec.session { role = role }
      session:close(1000)
      assert.is_false(session:done())
      session:feed(frame(CLOSE, wire.close_payload(1000)))
      session:next()
      assert.is_true(session:done())
      assert.equal(1, #wire.frames(session:output()))
    end)
  end)

  describe("a " .. role .. ", section 8.1, UTF-8:", function()
    it("fails a text at the byte that is wrong", function()
      for _, bad in ipairs { "a\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80" } do
        peer.assert_fails(1007, frame(TEXT, bad))
        peer.assert_fails(1007, frame(TEXT, bad, MORE))
        peer.assert_fails(1007, frame(TEXT, bad, { declared = 1000 }))
      end
    end)

    it("fails a text that ends inside a character, and no fragment that does", function()
      peer.assert_fails(1007, frame(TEXT, "\xe2\x82"))
      assert.same({ "text €" }, { table.unpack(
        peer.read(frame(TEXT, "\xe2\x82", MORE) .. frame(CONTINUATION, "\xac"))) })
    end)

    it("sends no text that is not UTF-8 (5.6)", function()
      local session <close> = codec.session { role = role }
      assert.equal("protocol", (select(3, session:send "\xff")))
      assert.is_true(session:send("\xff", "binary"))
    end)
  end)

  describe("a " .. role .. ", section 10.4, limits:", function()
    it("fails a message over its limit with 1009, from its head on", function()
      for _, bytes in ipairs {
        frame(BINARY, ("x"):rep(101)), frame(BINARY, "", { declared = 1 << 62, length_bytes = 8 }),
        frame(BINARY, ("x"):rep(60), MORE) .. frame(CONTINUATION, ("x"):rep(41)),
      } do
        local trace = peer.read(bytes, { limit = 100 })
        assert.same({ 1009, "too_big" }, { trace.fail, trace.code })
      end
      assert.equal(1, #peer.read(frame(BINARY, ("x"):rep(100)), { limit = 100 }))
    end)
  end)
end

describe("section 5.7, the examples:", function()
  local HELLO_MASKED = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
  for name, case in pairs {
    ["an unmasked text"] = { "client", "\x81\x05Hello", "text Hello" },
    ["a masked text"] = { "server", HELLO_MASKED, "text Hello" },
    ["a fragmented text"] = { "client", "\x01\x03Hel\x80\x02lo", "text Hello" },
    ["an unmasked ping"] = { "client", "\x89\x05Hello", "ping Hello" },
    ["a masked pong"]
      = { "server", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "pong Hello" },
    ["256 bytes"] = { "client", "\x82\x7e\x01\x00" .. ("x"):rep(256), "binary " .. ("x"):rep(256) },
    ["64 KiB"] = { "client", "\x82\x7f\0\0\0\0\0\1\0\0" .. ("x"):rep(65536),
      "binary " .. ("x"):rep(65536) },
  } do
    it(name, function()
      assert.same({ case[3] }, { table.unpack(peer_of(case[1]).read(case[2])) })
    end)
  end
end)
