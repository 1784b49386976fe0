-- RFC 7692, section by section: each MUST, memory to memory, whole and cut.
local codec = require("neap.core").codec
local inflate = require "spec.support.inflate"
local wire = require "spec.support.wire"

local frame = wire.frame
local TEXT, BINARY, CONTINUATION = wire.TEXT, wire.BINARY, wire.CONTINUATION
local PING, PONG, CLOSE = wire.PING, wire.PONG, wire.CLOSE
local RSV1 = 4
local HELLO = "\xf2\x48\xcd\xc9\xc9\x07\x00" -- of 7.2.3.1
local PROSE = ("It was the best of times, it was the worst of times, "):rep(60)

-- A small generator of its own: the same text in every run.
local function make_words(count, seed)
  local words = {}
  for i = 1, count do
    seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
    words[i] = "word" .. (seed >> 8) % 50
  end
  return table.concat(words, " ")
end

local function stored(text, is_last)
  return string.pack("<BI2I2", is_last and 1 or 0, #text, ~#text & 0xffff) .. text
end

-- What a session makes of frames, fed whole, byte by byte and cut anyhow.
local function read(bytes, deflate, more)
  local options = { deflate = deflate or {} }
  for name, value in pairs(more or {}) do options[name] = value end
  return wire.read_every_way(bytes, options)
end

local function assert_fails(code, bytes, deflate, events, more)
  local trace = read(bytes, deflate, more)
  assert.same(events or {}, { table.unpack(trace) })
  assert.equal(code, trace.fail)
  assert.equal("\x88\x02" .. wire.close_payload(code), trace.output)
end

local function message(payload, more)
  local draft = { rsv = RSV1 }
  for name, value in pairs(more or {}) do draft[name] = value end
  return frame(TEXT, payload, draft)
end

-- The payload and head of what a session sends.
local function sent(session, text, kind, plain)
  assert(session:send(text, kind, plain))
  local frames = wire.frames(session:output())
  assert.equal(1, #frames)
  return frames[1].data, frames[1]
end

local function request(...)
  local lines = { "GET / HTTP/1.1", "Host: a" }
  for _, value in ipairs { ... } do
    lines[#lines + 1] = "Sec-WebSocket-Extensions: " .. value
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function answer(value)
  return "HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: " .. value .. "\r\n\r\n"
end

local PMD = "permessage-deflate"
local WISH = { takeover = true }

describe("section 5, negotiation:", function()
  it("the first offer that can be met is taken (5)", function()
    local _, line = codec.deflate_accept(
      request(PMD .. "; server_max_window_bits=10, " .. PMD), WISH)
    assert.truthy(line:find("server_max_window_bits=10", 1, true))
    _, line = codec.deflate_accept(
      request(PMD .. "; server_max_window_bits=3, " .. PMD .. "; server_max_window_bits=9"), WISH)
    assert.truthy(line:find("server_max_window_bits=9", 1, true))
  end)

  it("without an offer that can be met, there is no compression (5)", function()
    assert.is_nil((codec.deflate_accept(request "x-webkit-deflate-frame", WISH)))
    assert.is_nil((codec.deflate_accept(request(), WISH)))
  end)

  it("a client takes one answer at most (5)", function()
    assert.equal("protocol", (select(3, codec.deflate_check(answer(PMD .. ", " .. PMD), WISH))))
  end)
end)

describe("section 6, RSV1:", function()
  it("says that a message is compressed (6)", function()
    assert.same({ "text Hello", "text Hello", "binary Hello" },
      { table.unpack(read(message(HELLO) .. frame(TEXT, "Hello")
        .. frame(BINARY, HELLO, { rsv = RSV1 }))) })
  end)

  it("is wrong without an agreement (6)", function()
    local trace = wire.read_every_way(message(HELLO))
    assert.equal(1002, trace.fail)
  end)

  it("stands on the first frame alone, and speaks for all (6.1, 6.2)", function()
    local first, second = HELLO:sub(1, 3), HELLO:sub(4)
    assert.same({ "text Hello" }, { table.unpack(read(
      message(first, { fin = false }) .. frame(CONTINUATION, second))) })
    assert_fails(1002,
      message(first, { fin = false }) .. frame(CONTINUATION, second, { rsv = RSV1 }))
    assert_fails(1002,
      frame(TEXT, "a", { fin = false }) .. frame(CONTINUATION, HELLO, { rsv = RSV1 }))
  end)

  for name, opcode in pairs { ping = PING, pong = PONG, close = CLOSE } do
    it("is wrong on a " .. name .. " (6.1)", function()
      assert_fails(1002, frame(opcode, opcode == CLOSE and "\x03\xe8" or "x", { rsv = RSV1 }))
    end)
  end

  for rsv = 1, 7 do
    if rsv ~= RSV1 then
      it("leaves the other bits reserved: " .. rsv .. " (6)", function()
        assert_fails(1002, frame(TEXT, HELLO, { rsv = rsv }))
      end)
    end
  end

  it("is wrong on a reserved opcode", function()
    assert_fails(1002, frame(3, HELLO, { rsv = RSV1 }))
  end)

  it("leaves control frames between fragments as they are (6.1)", function()
    local trace = read(message(HELLO:sub(1, 2), { fin = false }) .. frame(PING, HELLO)
      .. frame(CONTINUATION, HELLO:sub(3)))
    assert.same({ "ping " .. HELLO, "text Hello" }, { table.unpack(trace) })
    assert.equal(codec.frame { opcode = PONG, data = HELLO }, trace.output)
  end)

  it("is set on what is sent compressed, and on nothing else (6.1)", function()
    for _, role in ipairs { "server", "client" } do
      local session <close> = codec.session { role = role, deflate = { min = 100 } }
      local _, head = sent(session, PROSE)
      assert.same({ RSV1, true, TEXT }, { head.rsv, head.fin, head.opcode })
      assert.equal(role == "client", head.masked)
      _, head = sent(session, PROSE, "binary")
      assert.same({ RSV1, true, BINARY }, { head.rsv, head.fin, head.opcode })
      for _, case in ipairs {
        { "", "text" }, { PROSE:sub(1, 99), "text" }, { PROSE, "text", true },
        { make_words(1, 1), "binary" },
      } do
        local data, plain = sent(session, table.unpack(case))
        assert.same({ 0, case[1] }, { plain.rsv, data })
      end
      session:ping(PROSE:sub(1, 125))
      session:close(1000, PROSE:sub(1, 120))
      for _, control in ipairs(wire.frames(session:output())) do assert.equal(0, control.rsv) end
    end
  end)
end)

describe("section 7.1, an offer:", function()
  local declined = {
    ["with a parameter that is not defined"] = "; x",
    ["with server_no_context_takeover twice"]
      = "; server_no_context_takeover; server_no_context_takeover",
    ["with client_no_context_takeover twice"]
      = "; client_no_context_takeover; client_no_context_takeover",
    ["with server_max_window_bits twice"]
      = "; server_max_window_bits=9; server_max_window_bits=9",
    ["with client_max_window_bits twice"] = "; client_max_window_bits; client_max_window_bits",
    ["with a value to server_no_context_takeover (7.1.1.1)"] = "; server_no_context_takeover=1",
    ["with a value to client_no_context_takeover (7.1.1.2)"] = "; client_no_context_takeover=1",
    ["without a value to server_max_window_bits (7.1.2.1)"] = "; server_max_window_bits",
    ["with server_max_window_bits of 7 (7.1.2.1)"] = "; server_max_window_bits=7",
    ["with server_max_window_bits of 16 (7.1.2.1)"] = "; server_max_window_bits=16",
    ["with a leading zero (7.1.2.1)"] = "; server_max_window_bits=09",
    ["with client_max_window_bits of 7 (7.1.2.2)"] = "; client_max_window_bits=7",
    ["with client_max_window_bits of 16 (7.1.2.2)"] = "; client_max_window_bits=16",
    ["with client_max_window_bits of 012 (7.1.2.2)"] = "; client_max_window_bits=012",
  }
  for name, params in pairs(declined) do
    it(name .. " is declined", function()
      local terms, line = codec.deflate_accept(request(PMD .. params), WISH)
      assert.same({}, { terms, line })
    end)
  end

  for _, params in ipairs {
    "server_no_context_takeover", "server_max_window_bits=8", "server_max_window_bits=15",
  } do
    it("with " .. params .. " is met by saying so (7.1.1.1, 7.1.2.1)", function()
      local _, line = codec.deflate_accept(request(PMD .. "; " .. params), WISH)
      assert.truthy(line:find("; " .. params, 1, true))
    end)
  end

  it("without client_max_window_bits gets no such answer (7.1.2.2)", function()
    local terms, line = codec.deflate_accept(request(PMD), { takeover = true, window = 9 })
    assert.is_nil(line:find("client_max_window_bits", 1, true))
    assert.equal(15, terms.receive_bits)
  end)

  it("with client_max_window_bits=10 gets 10 at most (7.1.2.2)", function()
    for window = 9, 15 do
      local _, line = codec.deflate_accept(request(PMD .. "; client_max_window_bits=10"),
        { window = window })
      local bits = tonumber(line:match "client_max_window_bits=(%d+)")
      assert.equal(math.min(10, window), bits)
    end
  end)
end)

describe("section 7.1, an answer:", function()
  for name, params in pairs {
    ["with a parameter that is not defined"] = "; x",
    ["with a parameter twice"] = "; server_no_context_takeover; server_no_context_takeover",
    ["with a value where there is none"] = "; client_no_context_takeover=1",
    ["with client_max_window_bits alone (7.1.2.2)"] = "; client_max_window_bits",
    ["with client_max_window_bits of 16"] = "; client_max_window_bits=16",
    ["with server_max_window_bits alone"] = "; server_max_window_bits",
    ["with server_max_window_bits of 7"] = "; server_max_window_bits=7",
  } do
    it(name .. " fails the connection", function()
      assert.equal("protocol", (select(3, codec.deflate_check(answer(PMD .. params), WISH))))
    end)
  end

  it("that does not keep to the offer fails the connection", function()
    local small = { takeover = true, window = 10 }
    for _, case in ipairs {
      { nil, PMD }, { small, PMD }, { small, PMD .. "; server_max_window_bits=11" },
      { small, PMD .. "; server_max_window_bits=9; client_max_window_bits=12" },
      { false, PMD }, { WISH, "permessage-bzip2" },
    } do
      assert.equal("protocol", (select(3, codec.deflate_check(answer(case[2]), case[1]))))
    end
  end)

  it("decides what the client does", function()
    local terms = codec.deflate_check(
      answer(PMD .. "; client_no_context_takeover; client_max_window_bits=8"), WISH)
    assert.same({ send_bits = 8, receive_bits = 15, send_takeover = false,
      receive_takeover = true }, terms)
  end)
end)

describe("section 7.2.1, compression:", function()
  it("removes 00 00 ff ff, which the receiver appends", function()
    for _, deflate in ipairs {
      {}, { send_takeover = true }, { send_bits = 9 }, { level = 9 },
      { send_takeover = true, level = 9 },
    } do
      local session <close> = codec.session { role = "server", deflate = deflate }
      local payload = sent(session, PROSE)
      assert.are_not.equal("\0\0\xff\xff", payload:sub(-4))
      assert.equal(PROSE, (inflate(payload)))
    end
  end)

  it("ends with an empty block without compression", function()
    for _, deflate in ipairs { {}, { send_takeover = true }, { send_bits = 8 } } do
      local session <close> = codec.session { role = "server", deflate = deflate }
      local _, about = inflate((sent(session, PROSE)))
      assert.equal(0, about.kinds[#about.kinds])
    end
  end)

  for bits = 8, 15 do
    for _, takeover in ipairs { false, true } do
      it(("looks back 2^%d bytes at most%s (7.1.2)"):format(
        bits, takeover and ", over messages" or ""), function()
        local terms = { send_bits = bits, send_takeover = takeover, level = 6 }
        local session <close> = codec.session { role = "server", deflate = terms }
        local window = ""
        for i = 1, 4 do
          local text = make_words(3000, bits * 10 + i % 2)
          local data, about = inflate((sent(session, text)), takeover and window or "")
          assert.is_true(data == text)
          assert.is_true(about.farthest <= 1 << bits, about.farthest)
          window = (window .. text):sub(-(1 << bits))
        end
      end)
    end
  end

  it("does not refer to earlier messages without take-over (7.1.1)", function()
    local session <close> = codec.session { role = "server", deflate = {} }
    local first = sent(session, PROSE)
    for _ = 1, 3 do assert.equal(first, (sent(session, PROSE))) end
  end)

  it("refers to them with take-over (7.2.3.2)", function()
    local session <close> = codec.session {
      role = "server", deflate = { send_takeover = true, level = 6 } }
    local text = make_words(500, 7)
    local first = sent(session, text)
    local second = sent(session, text)
    assert.is_true(#second < #first / 4)
    assert.equal(text, (inflate(second, text)))
  end)

  it("keeps what went uncompressed out of the window (7.2.3.2)", function()
    local terms = { send_takeover = true, receive_takeover = true }
    local session <close> = codec.session { role = "server", deflate = terms }
    local peer <close> = codec.session { role = "client", deflate = terms }
    for i = 1, 20 do
      local text = make_words(200, i)
      assert(session:send(text, "text", i % 3 == 0))
      if i % 5 == 0 then session:send(text:rep(2):gsub(".", function(c)
        return string.char(c:byte() * i % 256) end), "binary") end
      peer:feed(session:output())
      assert.equal(text, peer:next().data)
      while peer:next() do end -- luacheck: ignore 542
    end
  end)
end)

describe("section 7.2.2, decompression:", function()
  it("takes a message in any number of frames, of any sizes", function()
    local session <close> = codec.session { role = "server", deflate = {} }
    local payload = sent(session, PROSE)
    local bytes = message(payload:sub(1, 1), { fin = false })
    for i = 2, #payload do
      bytes = bytes .. frame(CONTINUATION, payload:sub(i, i), { fin = false })
    end
    assert.same({ "text " .. PROSE }, { table.unpack(read(bytes .. frame(CONTINUATION, ""))) })
    assert.same({ "text " .. PROSE }, { table.unpack(read(
      message("", { fin = false }) .. frame(CONTINUATION, payload))) })
  end)

  it("checks UTF-8 at once, where it is wrong", function()
    assert_fails(1007, message(stored "a\xc0", { fin = false }))
    local session <close> = codec.session { role = "server", deflate = {} }
    session:feed(message(stored "good \xff bad", { fin = false, declared = 1000 }))
    assert.equal("protocol", (select(3, session:next())))
    assert.equal(1007, session:fail_code())
    assert_fails(1007, message(stored "half \xe2\x82" .. "\0"))
    assert.same({ "text €" }, { table.unpack(read(
      message(stored "\xe2", { fin = false }) .. frame(CONTINUATION, stored "\x82\xac" .. "\0"))) })
    assert.equal(1, #read(frame(BINARY, stored "\xff" .. "\0", { rsv = RSV1 })))
  end)

  for name, payload in pairs {
    ["a block of type 3"] = "\x07\x00",
    ["a stored block with a wrong length"] = "\x00\x05\x00\x00\x00Hello\x00",
    ["a distance before the first byte"] = "\x4b\x04\x11\x00",
    ["an end inside a block"] = HELLO:sub(1, 4),
    ["an end inside a stored block"] = "\x00\x05\x00\xfa\xffHel",
    ["codes that are over-subscribed"] = "\x04\x00\xfe\xff",
  } do
    it("fails " .. name, function() assert_fails(1007, message(payload)) end)
  end

  it("forgets a message that failed, and stays failed", function()
    local session <close> = codec.session { role = "server", deflate = { send_takeover = true } }
    session:feed(message "\x07\x00" .. message(HELLO))
    assert.equal("protocol", (select(3, session:next())))
    assert.equal("closed", (select(3, session:send "x")))
    assert.equal("protocol", (select(3, session:next())))
  end)

  it("counts what it inflates against the limit, while it does", function()
    local session <close> = codec.session { role = "client", mask = wire.KEY, deflate = {} }
    session:send(("x"):rep(5000))
    local bytes = session:output()
    assert.equal(1, #read(bytes, {}, { limit = 5000 }))
    assert_fails(1009, bytes, {}, {}, { limit = 4999 })
    assert_fails(1009, bytes, { receive_takeover = true }, {}, { limit = 4999 })
    session:send(("x"):rep(3000), "text", true)
    assert_fails(1009, message(stored(("x"):rep(3000)), { fin = false })
      .. frame(CONTINUATION, stored(("x"):rep(3000)) .. "\0"), {}, {}, { limit = 5000 })
  end)

  it("does not take the compressed size for the size", function()
    local payload = stored("ab"):rep(100) .. "\0" -- 700 bytes for 200
    assert.same({ "text " .. ("ab"):rep(100) },
      { table.unpack(read(message(payload), {}, { limit = 200 })) })
  end)
end)

describe("section 7.2.3, the examples:", function()
  local examples = {
    ["one compressed block (7.2.3.1)"] = message(HELLO),
    ["two fragments (7.2.3.1)"] = message(HELLO:sub(1, 3), { fin = false })
      .. frame(CONTINUATION, HELLO:sub(4)),
    ["a block without compression (7.2.3.3)"]
      = message "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
    ["a block that is the last (7.2.3.4)"] = message "\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
    ["two blocks (7.2.3.5)"] = message "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
  }
  for name, bytes in pairs(examples) do
    for _, takeover in ipairs { false, true } do
      it(name .. (takeover and ", with take-over" or ""), function()
        local trace = read(bytes .. bytes, { receive_takeover = takeover })
        assert.same({ "text Hello", "text Hello" }, { table.unpack(trace) })
      end)
    end
  end

  it("a window that is taken over (7.2.3.2)", function()
    local bytes = message(HELLO) .. message "\xf2\x00\x11\x00\x00"
    assert.same({ "text Hello", "text Hello" },
      { table.unpack(read(bytes, { receive_takeover = true })) })
    assert_fails(1007, bytes, {}, { "text Hello" })
  end)

  it("a window over a block that is the last (7.2.3.4)", function()
    local bytes = message "\xf3\x48\xcd\xc9\xc9\x07\x00\x00" .. message "\xf2\x00\x11\x00\x00"
    assert.same({ "text Hello", "text Hello" },
      { table.unpack(read(bytes, { receive_takeover = true })) })
  end)

  it("an empty message (7.2.3.6)", function()
    for _, takeover in ipairs { false, true } do
      assert.same({ "text ", "text Hello", "text " }, { table.unpack(read(
        message "\0" .. message(HELLO) .. message "\0", { receive_takeover = takeover })) })
    end
  end)
end)

-- What the text does not ask for, and peers send all the same.
describe("a peer that does not keep to 7.2.1", function()
  for _, takeover in ipairs { false, true } do
    local deflate = { receive_takeover = takeover }
    local how = takeover and ", with take-over" or ""

    it("may send nothing for an empty message" .. how, function()
      assert.same({ "text ", "text Hello", "text " }, { table.unpack(read(
        message "" .. message(HELLO) .. message "", deflate)) })
    end)

    it("may leave the marker of its last flush" .. how, function()
      local flushed = "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff"
      assert.same({ "text Hello", "text Hello", "text Hello" }, { table.unpack(read(
        message(flushed, { fin = false }) .. frame(CONTINUATION, "") .. message(HELLO)
          .. message(flushed), deflate)) })
    end)

    it("may end with a last block and nothing behind it" .. how, function()
      assert.same({ "text Hello", "text Hello" }, { table.unpack(read(
        message "\xf3\x48\xcd\xc9\xc9\x07\x00" .. message(HELLO), deflate)) })
    end)
  end
end)
