local codec = require("neap.core").codec
local wire = require "spec.support.wire"

-- What the session says after each byte of a fragmented, unfinished text: the
-- position of the first byte that it refuses, or nil.
local function first_refused(bytes)
  local session <close> = codec.session { role = "server" }
  session:feed(wire.frame(wire.TEXT, "", { fin = false }))
  session:next()
  for i = 1, #bytes do
    session:feed(wire.frame(wire.CONTINUATION, bytes:sub(i, i), { fin = false }))
    session:next()
    if session:fail_code() then
      assert.equal(1007, session:fail_code())
      return i
    end
  end
end

local good = {
  ["nothing"] = "",
  ["ASCII"] = "The quick brown fox, twice over: the quick brown fox.",
  ["NUL and DEL"] = "\0\x7f",
  ["Greek"] = "κόσμε",
  ["a mix of all lengths"] = "Hello-µ@ßöäüàá-UTF-8!!, 漢字, 😀😀, ende",
  ["the first of each length"] = "\0\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80",
  ["the last of each length"] = "\x7f\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf",
  ["what surrounds the surrogates"] = "\xed\x9f\xbf\xee\x80\x80",
  ["non-characters"] = "\xef\xbf\xbe\xef\xbf\xbf\xf0\x9f\xbf\xbe\xf4\x8f\xbf\xbf",
  ["the replacement character"] = "\xef\xbf\xbd",
  ["a byte order mark"] = "\xef\xbb\xbfx",
}

-- Each with the position of the byte at which it becomes wrong.
local bad = {
  ["a lone tail"] = { "\x80", 1 },
  ["a lone tail behind text"] = { "abc\xbf", 4 },
  ["two tails too many"] = { "é\x80\x80", 3 },
  ["an overlong slash of two"] = { "\xc0\xaf", 1 },
  ["an overlong DEL"] = { "\xc1\xbf", 1 },
  ["an overlong slash of three"] = { "\xe0\x80\xaf", 2 },
  ["the highest overlong of three"] = { "\xe0\x9f\xbf", 2 },
  ["an overlong slash of four"] = { "\xf0\x80\x80\xaf", 2 },
  ["the highest overlong of four"] = { "\xf0\x8f\xbf\xbf", 2 },
  ["five bytes"] = { "\xf8\x88\x80\x80\x80", 1 },
  ["six bytes"] = { "\xfc\x84\x80\x80\x80\x80", 1 },
  ["FE"] = { "\xfe", 1 },
  ["FF"] = { "\xff", 1 },
  ["the first surrogate"] = { "\xed\xa0\x80", 2 },
  ["the last surrogate"] = { "\xed\xbf\xbf", 2 },
  ["a surrogate pair"] = { "\xed\xa0\xbd\xed\xb8\x80", 2 },
  ["U+110000"] = { "\xf4\x90\x80\x80", 2 },
  ["a lead of F5"] = { "\xf5\x80\x80\x80", 1 },
  ["a lead followed by text"] = { "\xc3(", 2 },
  ["a lead of three followed by text"] = { "\xe2\x82(", 3 },
  ["a lead of four followed by text"] = { "\xf0\x9f\x98(", 4 },
  ["a lead followed by a lead"] = { "\xc3\xc3\xa9", 2 },
  ["Autobahn's 6.4"] = { "κόσμε\xf4\x90\x80\x80edited", 12 },
}

describe("codec.utf8", function()
  for name, text in pairs(good) do
    it("accepts " .. name, function()
      assert.is_true(codec.utf8(text))
      assert.is_nil(first_refused(text))
    end)
  end

  for name, case in pairs(bad) do
    it("refuses " .. name .. " at the first wrong byte", function()
      local text, at = table.unpack(case)
      assert.is_false(codec.utf8(text))
      assert.equal(at, first_refused(text))
    end)
  end

  it("refuses a text that ends inside a character", function()
    for _, char in ipairs { "é", "€", "😀" } do
      for size = 1, #char - 1 do
        assert.is_false(codec.utf8(char:sub(1, size)))
        assert.is_false(codec.utf8(("x"):rep(40) .. char:sub(1, size)))
      end
    end
  end)

  it("sees the wrong byte wherever it is", function()
    for len = 1, 80 do
      for at = 1, len do
        local text = ("a"):rep(at - 1) .. "\xff" .. ("a"):rep(len - at)
        assert.is_false(codec.utf8(text))
      end
      assert.is_true(codec.utf8(("a"):rep(len)))
    end
  end)

  it("follows a character over every position", function()
    for _, char in ipairs { "é", "€", "😀" } do
      for before = 0, 70 do
        local text = ("a"):rep(before) .. char .. ("b"):rep(70 - before)
        assert.is_true(codec.utf8(text))
      end
    end
  end)

  it("agrees with Lua on every character that there is", function()
    for code = 0, 0x10FFFF, 7 do
      local surrogate = code >= 0xD800 and code <= 0xDFFF
      if codec.utf8(utf8.char(code)) == surrogate then
        error(("wrong about U+%04X"):format(code))
      end
    end
  end)

  it("agrees with Lua on all that three bytes can be", function()
    for lead = 0x80, 0xFF do
      for second = 0x70, 0xFF do
        for _, third in ipairs { 0x00, 0x41, 0x7F, 0x80, 0xBF, 0xC0 } do
          local text = string.char(lead, second, third)
          if codec.utf8(text) ~= (utf8.len(text) ~= nil) then
            error(("wrong about %02X %02X %02X"):format(lead, second, third))
          end
        end
      end
    end
  end)
end)
