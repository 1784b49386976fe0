-- The PROXY protocol: its text and its binary form, to the byte.

local codec = require("neap.core").codec

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"

local function binary(command, kind, data)
  return SIGNATURE .. string.pack(">BBs2", command, kind, data)
end

local function ip4(from, port)
  local bytes = {}
  for part in from:gmatch "%d+" do bytes[#bytes + 1] = string.char(part) end
  return table.concat(bytes) .. "\10\0\0\1" .. string.pack(">I2I2", port, 443)
end

local LOOPBACK6 = ("\0"):rep(15) .. "\1"
local IP6 = "\x20\x01\x0d\xb8" .. ("\0"):rep(11) .. "\7" .. LOOPBACK6 .. string.pack(">I2I2", 5, 6)
local TLV = "\4\0\3abc" .. "\x20\0\0"

local RIGHT = {
  ["PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n"] = "192.0.2.7:56324",
  ["PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"] = "255.255.255.255:65535",
  ["PROXY TCP4 0.0.0.0 1.2.3.4 1 0\r\n"] = "0.0.0.0:1",
  ["PROXY TCP6 2001:db8::7 ::1 4000 443\r\n"] = "[2001:db8::7]:4000",
  ["PROXY TCP6 ::ffff:192.0.2.7 ::1 4000 443\r\n"] = "192.0.2.7:4000",
  ["PROXY TCP6 FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
    .. "65535 65535\r\n"] = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
  ["PROXY UNKNOWN\r\n"] = "none",
  ["PROXY UNKNOWN whatever \1\255 it says\r\n"] = "none",
  ["PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
    .. "65535 65535\r\n"] = "none", -- 107 bytes
  [binary(0x20, 0x00, "")] = "none",
  [binary(0x20, 0x11, ip4("1.2.3.4", 5))] = "none",
  [binary(0x20, 0xff, "anything")] = "none",
  [binary(0x21, 0x00, "skipped")] = "none",
  [binary(0x21, 0x11, ip4("192.0.2.7", 56324))] = "192.0.2.7:56324",
  [binary(0x21, 0x11, ip4("192.0.2.7", 56324) .. TLV)] = "192.0.2.7:56324",
  [binary(0x21, 0x21, IP6)] = "[2001:db8::7]:5",
  [binary(0x21, 0x21, IP6 .. TLV)] = "[2001:db8::7]:5",
  [binary(0x21, 0x31, ("x"):rep(216))] = "unix",
  [binary(0x21, 0x31, ("x"):rep(216) .. TLV)] = "unix",
  [binary(0x21, 0x00, ("x"):rep(4096))] = "none",
}

local WRONG = {
  "GET / HTTP/1.1\r\n", "\22\3\1\2\0", "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY\r\n",
  "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
  "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
  "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
  "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n", "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
  "PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n",
  "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
  "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 99999999999\r\n",
  "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "PROXY TCP6 ::1 1.2.3.4 1 2\r\n",
  "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1\n 2\r\n",
  "PROXY TCP4 1.2.3.4\r1.2.3.4 1 2\r\n", "PROXY UNKNOWNX\r\n", "PROXY UNKNOWN \r \r\n",
  "PROXY UNKNOWN " .. ("x"):rep(92) .. "\r\n", -- 108 bytes
  "PROXY UNKNOWN " .. ("x"):rep(200),
  "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n",
  SIGNATURE .. "\x11", SIGNATURE .. "\x22", SIGNATURE .. "\x00", -- version, command
  binary(0x21, 0x12, ip4("1.2.3.4", 5)), -- datagrams
  binary(0x21, 0x10, ip4("1.2.3.4", 5)), binary(0x21, 0x41, ("x"):rep(300)),
  binary(0x21, 0x11, ("x"):rep(11)), binary(0x21, 0x21, ("x"):rep(35)),
  binary(0x21, 0x31, ("x"):rep(215)),
  binary(0x21, 0x11, ip4("1.2.3.4", 5) .. "\4\0"), -- half an extension
  binary(0x21, 0x11, ip4("1.2.3.4", 5) .. "\4\0\4abc"),
  binary(0x21, 0x00, ("x"):rep(4097)),
  SIGNATURE .. "\x21\x11\xff\xff",
}

local function shown(bytes)
  return (("%q"):format(bytes:sub(1, 60)):gsub("\\\n", "\\n"))
end

describe("A proxy's header", function()
  for bytes, from in pairs(RIGHT) do
    it(("%s is read to its end, and no further: %s"):format(shown(bytes), from), function()
      for _, behind in ipairs { "", "GET / HTTP/1.1\r\n", "\r\n", "\22\3" } do
        local length, address = codec.proxy(bytes .. behind)
        assert.equal(#bytes, length)
        assert.equal(from, address)
      end
    end)

    it(("%s is not read before it is whole"):format(shown(bytes)), function()
      for i = 0, #bytes - 1 do assert.equal(0, (codec.proxy(bytes:sub(1, i))), "of " .. i) end
    end)
  end

  for _, bytes in ipairs(WRONG) do
    it(("%s is refused"):format(shown(bytes)), function()
      local length, _, code = codec.proxy(bytes)
      assert.is_nil(length)
      assert.equal("protocol", code)
      for i = 1, #bytes do -- and never taken for a shorter one
        local part = codec.proxy(bytes:sub(1, i))
        assert.is_true(part == nil or part == 0)
      end
    end)
  end

  it("is refused at the first byte that no header has", function()
    assert.is_nil((codec.proxy "G"))
    assert.is_nil((codec.proxy "PX"))
    assert.is_nil((codec.proxy "\r\n\r\nX"))
  end)

  it("has an IPv6 address exactly when the system reads one there", function()
    local parts = { "0", "1", "ffff", "12345", "g", ":", "::", ":", "1.2.3.4", "01", "abc" }
    math.randomseed(7)
    local list = {}
    for i = 1, 4000 do
      local words = {}
      for j = 1, math.random(1, 16) do words[j] = parts[math.random(#parts)] end
      list[i] = table.concat(words)
      if i % 2 == 0 then
        for j = 1, 8 do words[j] = ("%x"):format(math.random(0, 65535)) end
        local cut = math.random(1, 8)
        list[i] = table.concat(words, ":", 1, cut)
          .. (math.random(3) > 1 and "::" or ":") .. table.concat(words, ":", cut + 1, 8)
        if math.random(2) == 1 then list[i] = list[i]:gsub("%x+:", "", math.random(0, 3)) end
      end
    end
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write(table.concat(list, "\n"))
    file:close()
    local oracle <close> = assert(io.popen("env -u LD_PRELOAD python3 -c '"
      .. "import socket, sys\n"
      .. "for line in open(sys.argv[1]):\n"
      .. "  try: print(socket.inet_ntop(10, socket.inet_pton(10, line.strip())))\n"
      .. "  except OSError: print()\n' " .. name))
    local right = 0
    for _, text in ipairs(list) do
      local said = oracle:read "l"
      local length, address = codec.proxy(("PROXY TCP6 %s ::1 9 1\r\n"):format(text))
      local expected = said ~= "" and ("[%s]:9"):format(said) or nil
      if expected then expected = expected:gsub("^%[::ffff:(%d+%..*)%]:9$", "%1:9") end
      assert.equal(expected, length and address or nil, text)
      right = right + (expected and 1 or 0)
    end
    os.remove(name)
    assert.is_true(right > 200, right .. " of them are addresses")
  end)
end)
