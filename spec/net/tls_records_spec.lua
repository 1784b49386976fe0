-- TLS 1.3 after the handshake, record by record: what a peer that has the keys
-- may send, and what ends the connection with which alert (RFC 8446).

local server = require "spec.support.server"

local ALERT, HANDSHAKE, DATA = 21, 22, 23
local UNEXPECTED, BAD_MAC, OVERFLOW, ILLEGAL, DECODE = 10, 20, 22, 47, 50
local UPDATE, UPDATE_BOTH = "\24\0\0\1\0", "\24\0\0\1\1"

local library = server.temporary ".so"
local new

setup(function()
  local pipe <close> = assert(io.popen "env -u LD_PRELOAD pkg-config --cflags lua5.4")
  assert(os.execute(("env -u LD_PRELOAD cc -std=gnu11 -shared -fPIC -O1 -Wl,-z,nodelete -Icore %s "
    .. "-o %s spec/support/tls_records.c core/net/tls_records.c core/net/tls_way.c "
    .. "core/proto/buffer.c -lcrypto"):format(pipe:read "l", library)))
  new = assert(package.loadlib(library, "luaopen_tls_records"))()
end)

teardown(function() os.remove(library) end)

-- Byte by byte: all that was read, and how it ended.
local function drip(pair, bytes)
  local all, last = {}, {}
  for byte in bytes:gmatch "." do
    last = table.pack(pair:feed(byte))
    all[#all + 1] = last[1]
  end
  return table.concat(all), table.unpack(last, 2, 4)
end

local function fails(alert, pair, bytes)
  local read, why, is_theirs = pair:feed(bytes)
  assert.same({ "", alert, false }, { read, why, is_theirs })
  local type, said = pair:read()
  assert.same({ ALERT, "\2" .. string.char(alert) }, { type, said })
end

describe("records of TLS 1.3", function()
  it("carry data, whole, together and byte by byte", function()
    local pair = new "server"
    local text = ("0123456789abcdef"):rep(1024)
    assert.equal("hello", (pair:feed(pair:forge(DATA, "hello"))))
    assert.equal(text, (pair:feed(pair:forge(DATA, text))))
    local three = pair:forge(DATA, "one") .. pair:forge(DATA, "") .. pair:forge(DATA, "two")
    assert.equal("onetwo", (pair:feed(three)))
    assert.equal("slowly", (drip(pair, pair:forge(DATA, "slowly"))))
    local cut = pair:forge(DATA, text) .. pair:forge(DATA, "end")
    assert.equal("", (pair:feed(cut:sub(1, 16000))))
    assert.equal(text .. "end", (pair:feed(cut:sub(16001))))
    assert.equal(text .. text, (pair:feed(pair:forge(DATA, text) .. pair:forge(DATA, text))))
    assert.is_true(pair:write "an answer")
    assert.same({ DATA, "an answer" }, { pair:read() })
  end)

  it("may be padded", function()
    local pair = new "server"
    assert.equal("x", (pair:feed(pair:forge(DATA, "x", 500))))
    assert.equal("x\0\0", (pair:feed(pair:forge(DATA, "x\0\0", 1))))
    fails(UNEXPECTED, pair, pair:forge(0, "", 500))
  end)

  it("fail when a bit of them is another, or one is missing or twice there", function()
    for at = 1, 27 do
      local pair = new "server"
      local record = pair:forge(DATA, "hello")
      local wrong = record:sub(1, at - 1) .. string.char(record:byte(at) ~ 1) .. record:sub(at + 1)
      local alert = at == 1 and UNEXPECTED or BAD_MAC
      if at == 4 then wrong = wrong .. ("\0"):rep(256) end
      if at == 5 then wrong = wrong .. "\0" end
      fails(alert, pair, wrong)
    end
    local pair = new "server"
    pair:forge(DATA, "lost")
    fails(BAD_MAC, pair, pair:forge(DATA, "next"))
    pair = new "server"
    local record = pair:forge(DATA, "once")
    assert.equal("once", (pair:feed(record)))
    fails(BAD_MAC, pair, record)
  end)

  it("fail as soon as their header is wrong", function()
    fails(UNEXPECTED, new "server", "\20\3\3\0\1\1")
    fails(UNEXPECTED, new "server", "\21\3\3\0\2\2\40")
    fails(OVERFLOW, new "server", "\23\3\3\x40\x12")
    fails(BAD_MAC, new "server", "\23\3\3\0\16")
  end)

  it("stay failed, and deliver what came before", function()
    local pair = new "server"
    local good, late = pair:forge(DATA, "good"), pair:forge(DATA, "late")
    local read, alert = pair:feed(good .. "\22\3\3\0\1x" .. late)
    assert.same({ "good", UNEXPECTED }, { read, alert })
    assert.is_false(pair:write "more")
  end)

  it("end with close_notify, and nothing behind it is read", function()
    local pair = new "server"
    local bytes = pair:forge(DATA, "last") .. pair:forge(ALERT, "\1\0") .. pair:forge(DATA, "late")
    assert.same({ "last", nil, false, true }, { pair:feed(bytes) })
    pair:finish()
    assert.same({ ALERT, "\1\0" }, { pair:read() })
  end)

  it("tell the peer's alert, and answer none", function()
    local pair = new "server"
    assert.same({ "", nil, false, false }, { pair:feed(pair:forge(ALERT, "\1\90")) })
    assert.same({ "", 42, true, false }, { pair:feed(pair:forge(ALERT, "\2\42")) })
    assert.is_nil((pair:read()))
    pair = new "server"
    fails(DECODE, pair, pair:forge(ALERT, "\2"))
    pair = new "server"
    fails(UNEXPECTED, pair, pair:forge(24, "heartbeat"))
  end)

  it("go on with new keys, and answer in kind when asked", function()
    local pair = new "server"
    for _, how in ipairs { pair.feed, drip } do
      how(pair, pair:forge(HANDSHAKE, UPDATE))
      pair:update "in"
      assert.is_nil((pair:read()))
      assert.equal("new", (how(pair, pair:forge(DATA, "new"))))
      how(pair, pair:forge(HANDSHAKE, UPDATE_BOTH))
      pair:update "in"
      assert.same({ HANDSHAKE, UPDATE }, { pair:read() })
      pair:update "out"
      assert.equal("newer", (how(pair, pair:forge(DATA, "newer"))))
      pair:write "newer too"
      assert.same({ DATA, "newer too" }, { pair:read() })
    end
    pair:feed(pair:forge(HANDSHAKE, "\24\0"))
    pair:feed(pair:forge(HANDSHAKE, "\0\1\0"))
    pair:update "in"
    assert.equal("cut", (pair:feed(pair:forge(DATA, "cut"))))
  end)

  it("refuse every other message, and what is no message", function()
    local bad = { ["\24\0\0\1\2"] = ILLEGAL, ["\24\0\0\2\0\0"] = DECODE, ["\24\0\0\0"] = DECODE,
      [UPDATE .. UPDATE] = UNEXPECTED, ["\1\0\0\1x"] = UNEXPECTED, ["\4\0\0\1x"] = UNEXPECTED,
      ["\13\0\0\1x"] = UNEXPECTED, [""] = UNEXPECTED }
    for content, alert in pairs(bad) do
      local pair = new "server"
      fails(alert, pair, pair:forge(HANDSHAKE, content))
    end
    local pair = new "server"
    pair:feed(pair:forge(HANDSHAKE, "\24\0"))
    fails(UNEXPECTED, pair, pair:forge(DATA, "in between"))
  end)

  it("pass over tickets of a server, however they are cut", function()
    local pair = new "client"
    local ticket = "\4\0\1\0" .. ("t"):rep(256)
    pair:feed(pair:forge(HANDSHAKE, ticket .. ticket:sub(1, 100)))
    pair:feed(pair:forge(HANDSHAKE, ticket:sub(101)))
    assert.equal("data", (pair:feed(pair:forge(DATA, "data"))))
    fails(DECODE, pair, pair:forge(HANDSHAKE, "\4\2\0\1"))
  end)

  it("may not go on for ever without data", function()
    for _, what in ipairs { { DATA, "" }, { HANDSHAKE, UPDATE }, { ALERT, "\1\90" } } do
      local pair = new "server"
      local alert
      local count = 0
      repeat
        count = count + 1
        alert = select(2, pair:feed(pair:forge(what[1], what[2])))
        if what[1] == HANDSHAKE then pair:update "in" end
      until alert or count > 100
      assert.same({ UNEXPECTED, 33 }, { alert, count })
    end
  end)
end)
