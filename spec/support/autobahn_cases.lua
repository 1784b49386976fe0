-- The published case list of the Autobahn test suite, sections 1 to 7, 9 and 10,
-- written down as frames to send and frames to expect.
--
-- A case is {id, frames, want, code}: `want` the frames that come back before the
-- Close, `code` what the peer fails with. Where it does not fail, the tester
-- closes with 1000 and is answered with 1000, or `close` says what else comes.
-- `sizes` of the pieces in which the bytes are to arrive beside the usual ways;
-- `steps`: the last of them fails, and none before it.

local wire = require "spec.support.wire"
local utf8_sections = require "spec.support.autobahn_utf8"

local TEXT, BINARY, CONTINUATION = wire.TEXT, wire.BINARY, wire.CONTINUATION
local PING, PONG, CLOSE = wire.PING, wire.PONG, wire.CLOSE
local MORE = { fin = false }

local cases = {}

local function add(id, frames, want, code)
  local case = { id = id, frames = frames, want = want or {}, code = code }
  cases[#cases + 1] = case
  return case
end

local function echo(id, opcode, data)
  return add(id, { { opcode, data } }, { { opcode, data } })
end

-- One message in fragments of `size` bytes.
local function fragments(opcode, data, size)
  local frames = {}
  for at = 1, #data, size do
    frames[#frames + 1] = { at == 1 and opcode or CONTINUATION, data:sub(at, at + size - 1),
      at + size <= #data and MORE or nil }
  end
  return frames
end

-- ---- 1 framing

local KINDS = { { TEXT, "*" }, { BINARY, "\xfe" } }

for i, kind in ipairs(KINDS) do
  for j, length in ipairs { 0, 125, 126, 127, 128, 65535, 65536, 65536 } do
    local case = echo(("1.%d.%d"):format(i, j), kind[1], kind[2]:rep(length))
    if j == 8 then case.sizes = 997 end
  end
end

-- ---- 2 pings and pongs

local function pings(count)
  local frames, want = {}, {}
  for i = 1, count do
    frames[i], want[i] = { PING, "payload-" .. i }, { PONG, "payload-" .. i }
  end
  return frames, want
end

local function ping(id, data) return add(id, { { PING, data } }, { { PONG, data } }) end

ping("2.1", "")
ping("2.2", "Hello, world!")
ping("2.3", "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")
ping("2.4", ("\xfe"):rep(125))
add("2.5", { { PING, ("\xfe"):rep(126) } }, {}, 1002)
ping("2.6", ("\xfe"):rep(125)).sizes = 1
add("2.7", { { PONG, "" } })
add("2.8", { { PONG, "unsolicited" } })
add("2.9", { { PONG, "unsolicited" }, { PING, "ping" } }, { { PONG, "ping" } })
add("2.10", pings(10))
add("2.11", pings(10)).sizes = 1

-- ---- 3 reserved bits, 4 reserved opcodes

local HELLO = { TEXT, "Hello, world!" }

add("3.1", { { TEXT, "small", { rsv = 1 } } }, {}, 1002)
add("3.2", { HELLO, { TEXT, "small", { rsv = 2 } }, { PING, "" } }, { HELLO }, 1002)
add("3.3", { HELLO, { TEXT, "small", { rsv = 3 } }, { PING, "" } }, { HELLO }, 1002)
add("3.4", { HELLO, { TEXT, "small", { rsv = 4 } }, { PING, "" } }, { HELLO }, 1002).sizes = 1
add("3.5", { { BINARY, "\x00\xff\xfe\xfd", { rsv = 5 } } }, {}, 1002)
add("3.6", { { PING, "x", { rsv = 6 } } }, {}, 1002)
add("3.7", { { CLOSE, "", { rsv = 7 } } }, {}, 1002)

for i, first in ipairs { 3, 11 } do
  local section = "4." .. i
  add(section .. ".1", { { first, "" } }, {}, 1002)
  add(section .. ".2", { { first + 1, "reserved opcode payload" } }, {}, 1002)
  add(section .. ".3", { HELLO, { first + 2, "" }, { PING, "" } }, { HELLO }, 1002)
  add(section .. ".4", { HELLO, { first + 3, "payload" }, { PING, "" } }, { HELLO }, 1002)
  add(section .. ".5", { HELLO, { first + 4, "payload" }, { PING, "" } }, { HELLO }, 1002).sizes = 1
end

-- ---- 5 fragmentation

local function in_three_ways(first, frames, want, code)
  for i = 0, 2 do
    local case = add(("5.%d"):format(first + i), frames, want, code)
    if i == 2 then case.sizes = 1 end
  end
end

local WHOLE = { { TEXT, "fragment1fragment2" } }
local ONE, TWO = { TEXT, "fragment1", MORE }, { CONTINUATION, "fragment2" }

add("5.1", { { PING, "fragment1", MORE }, TWO }, {}, 1002)
add("5.2", { { PONG, "fragment1", MORE }, TWO }, {}, 1002)
in_three_ways(3, { ONE, TWO }, WHOLE)
in_three_ways(6, { ONE, { PING, "between" }, TWO }, { { PONG, "between" }, WHOLE[1] })
in_three_ways(9, { { CONTINUATION, "nothing" }, HELLO }, {}, 1002)
in_three_ways(12, { { CONTINUATION, "nothing", MORE }, HELLO }, {}, 1002)
add("5.15", { ONE, TWO, { CONTINUATION, "fragment3", MORE }, { TEXT, "fragment4" } }, WHOLE, 1002)
add("5.16", { { CONTINUATION, "fragment1", MORE }, { TEXT, "fragment2", MORE },
  { CONTINUATION, "fragment3" } }, {}, 1002)
add("5.17", { { CONTINUATION, "fragment1" }, { TEXT, "fragment2", MORE },
  { CONTINUATION, "fragment3" } }, {}, 1002)
add("5.18", { ONE, { TEXT, "fragment2" } }, {}, 1002)

local FIVE = { ONE, { CONTINUATION, "fragment2", MORE }, { PING, "ping 1" },
  { CONTINUATION, "fragment3", MORE }, { CONTINUATION, "fragment4", MORE }, { PING, "ping 2" },
  { CONTINUATION, "fragment5" } }
local FIVE_BACK = { { PONG, "ping 1" }, { PONG, "ping 2" },
  { TEXT, "fragment1fragment2fragment3fragment4fragment5" } }
add("5.19", FIVE, FIVE_BACK)
add("5.20", FIVE, FIVE_BACK).sizes = 1

-- ---- 6 UTF-8

local GREEK = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
local MIXED = "Hello-µ@ßöäüàá-UTF-8!!"
local BAD = GREEK .. "\xed\xa0\x80edited"
local TOO_HIGH = GREEK .. "\xf4\x90\x80\x80edited"

echo("6.1.1", TEXT, "")
add("6.1.2", { { TEXT, "", MORE }, { CONTINUATION, "", MORE }, { CONTINUATION, "" } },
  { { TEXT, "" } })
add("6.1.3", { { TEXT, "", MORE }, { CONTINUATION, "middle", MORE }, { CONTINUATION, "" } },
  { { TEXT, "middle" } })
echo("6.2.1", TEXT, MIXED)
add("6.2.2", fragments(TEXT, MIXED, #"Hello-µ@ßöä"), { { TEXT, MIXED } })
add("6.2.3", fragments(TEXT, MIXED, 1), { { TEXT, MIXED } })
add("6.2.4", fragments(TEXT, GREEK, 1), { { TEXT, GREEK } })
add("6.3.1", { { TEXT, BAD } }, {}, 1007)
add("6.3.2", fragments(TEXT, BAD, 1), {}, 1007)
add("6.4.1", { { TEXT, TOO_HIGH:sub(1, 11), MORE }, { CONTINUATION, TOO_HIGH:sub(12, 15), MORE } },
  {}, 1007).steps = { "frame 1", "frame 2" }
add("6.4.2", { { TEXT, TOO_HIGH:sub(1, 12), MORE }, { CONTINUATION, TOO_HIGH:sub(13, 13), MORE } },
  {}, 1007).steps = { "frame 1", "frame 2" }
add("6.4.3", { { TEXT, TOO_HIGH } }, {}, 1007).steps = { 11, 4 }
add("6.4.4", { { TEXT, TOO_HIGH } }, {}, 1007).steps = { 12, 1 }

for _, section in ipairs(utf8_sections) do
  for i, text in ipairs(section.list) do
    local id = ("%s.%d"):format(section.id, i)
    if utf8.len(text) then
      echo(id, TEXT, text)
    else
      add(id, { { TEXT, text } }, {}, 1007)
    end
  end
end

-- ---- 7 closing

local function close(id, data, code)
  local case = add(id, { { CLOSE, data } }, {}, code)
  if not code then case.close = data:sub(1, 2) end
  return case
end

local function code_of(code) return string.pack(">I2", code) end

local BYE = { CLOSE, code_of(1000) }

add("7.1.1", { HELLO, BYE }, { HELLO }).close = code_of(1000)
add("7.1.2", { BYE, BYE }).close = code_of(1000)
add("7.1.3", { BYE, { PING, "" } }).close = code_of(1000)
add("7.1.4", { BYE, HELLO }).close = code_of(1000)
add("7.1.5", { ONE, BYE, TWO }).close = code_of(1000)
local LARGE = { TEXT, ("BAsd7&jh23"):rep(26215):sub(1, 256 * 1024) }
add("7.1.6", { LARGE, HELLO, BYE, { PING, "" } }, { LARGE, HELLO }).close = code_of(1000)
close("7.3.1", "")
close("7.3.2", "a", 1002)
close("7.3.3", code_of(1000))
close("7.3.4", code_of(1000) .. "Hello World!")
close("7.3.5", code_of(1000) .. ("*"):rep(123))
close("7.3.6", code_of(1000) .. ("*"):rep(124), 1002)
close("7.5.1", code_of(1000) .. BAD, 1007)
for i, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000,
  4999, 1012, 1013, 1014 } do
  close("7.7." .. i, code_of(code))
end
for i, code in ipairs { 0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999 } do
  close("7.9." .. i, code_of(code), 1002)
end
close("7.13.1", code_of(5000), 1002) -- what these two do is for the peer to say
close("7.13.2", code_of(65535), 1002)

-- ---- 9 limits, 10 fragments of an odd size

-- With a sanitizer a megabyte takes as long as twenty do without.
local is_slow = (os.getenv "NEAP_PRELOAD" or "") ~= ""
local MIB, MANY = is_slow and 64 * 1024 or 1024 * 1024, is_slow and 50 or 1000
for i, kind in ipairs(KINDS) do
  local opcode, byte = table.unpack(kind)
  for j, length in ipairs { MIB // 16, MIB // 4, MIB, 4 * MIB, 8 * MIB, 16 * MIB } do
    echo(("9.%d.%d"):format(i, j), opcode, byte:rep(length))
  end
  local long = byte:rep(4 * MIB)
  for j, size in ipairs { 64, 256, 1024, 4096, 16384, 65536, 262144, MIB, 4 * MIB } do
    local case = add(("9.%d.%d"):format(i + 2, j), {}, { { opcode, long } })
    case.make = function() return fragments(opcode, long, size) end
  end
  for j, size in ipairs { 64, 128, 256, 512, 1024, 2048 } do
    echo(("9.%d.%d"):format(i + 4, j), opcode, byte:rep(MIB)).sizes = size
  end
  for j, length in ipairs { 0, 16, 64, 256, 1024, 4096 } do
    local message = { opcode, byte:rep(length) }
    local many = {}
    for k = 1, MANY do many[k] = message end
    add(("9.%d.%d"):format(i + 6, j), many, many)
  end
end

local odd = ("*"):rep(65536)
add("10.1.1", fragments(TEXT, odd, 1300), { { TEXT, odd } })

return cases
