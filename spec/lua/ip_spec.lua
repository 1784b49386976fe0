local ip = require "neap.ip"

local function hex(bytes)
  return bytes and (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local ZEROS = ("0"):rep(30)

describe("an address", function()
  for text, expected in pairs {
    ["1.2.3.4"] = "01020304", ["255.255.255.255"] = "ffffffff", ["0.0.0.0"] = "00000000",
    ["::1"] = ZEROS .. "01", ["::"] = ZEROS .. "00",
    ["1:2:3:4:5:6:7:8"] = "00010002000300040005000600070008",
    ["1:2:3:4:5:6:7::"] = "00010002000300040005000600070000",
    ["2001:DB8::5"] = "20010db8000000000000000000000005",
    ["64:ff9b::1.2.3.4"] = "0064ff9b000000000000000001020304",
    ["::ffff:10.0.0.1"] = "0a000001",
  } do
    it(text .. " is read", function() assert.equal(expected, hex(ip.parse(text))) end)
  end

  for _, text in ipairs {
    "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1..2.3.4", ".1.2.3.4", "1.2.3.4 ",
    "0x1.2.3.4", "1",
    ":::", ":1", "1:", "12345::", "::g", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4:5",
    "fe80::1%eth0", "[::1]", "unknown", "_hidden",
  } do
    it(("%q is none"):format(text), function() assert.is_nil(ip.parse(text)) end)
  end

  it("is parted from its port", function()
    for text, expected in pairs {
      ["1.2.3.4:80"] = { "1.2.3.4", 80 }, ["[::1]:80"] = { "::1", 80 }, ["[::1]"] = { "::1" },
      ["1.2.3.4"] = { "1.2.3.4" }, ["::1"] = { "::1" }, unix = { "unix" },
    } do
      assert.same(expected, { ip.split(text) })
    end
  end)

  it("is IPv4 also when it comes as IPv6", function()
    assert.equal("10.0.0.1", ip.plain "::ffff:a00:1")
    assert.equal("2001:db8::1", ip.plain "2001:db8::1")
  end)

  it("counts as its network of 64 bits when it is IPv6", function()
    assert.equal(ip.key "[2001:db8:0:1::1]:5", ip.key "2001:db8:0:1:ffff::2")
    assert.not_equal(ip.key "2001:db8:0:1::1", ip.key "2001:db8:0:2::1")
    assert.equal(ip.key "1.2.3.4:5", ip.key "1.2.3.4:6")
    assert.not_equal(ip.key "1.2.3.4:5", ip.key "1.2.3.5:5")
    assert.equal("unix", ip.key "unix")
  end)
end)

describe("a range of addresses", function()
  for _, case in ipairs {
    { "10.0.0.0/8", "10.255.0.1", true }, { "10.0.0.0/8", "11.0.0.1", false },
    { "10.0.0.0/9", "10.127.1.1", true }, { "10.0.0.0/9", "10.128.0.1", false },
    { "192.0.2.7", "192.0.2.7", true }, { "192.0.2.7", "192.0.2.8", false },
    { "0.0.0.0/0", "8.8.8.8", true }, { "0.0.0.0/0", "::1", false },
    { "2001:db8::/33", "2001:db8:7fff::1", true }, { "2001:db8::/33", "2001:db8:8000::1", false },
    { "::/0", "fe80::1", true }, { "::/0", "1.2.3.4", false },
    { "10.0.0.0/8", "::ffff:10.1.1.1", true }, { "loopback", "127.3.2.1", true },
    { "loopback", "::1", true }, { "private", "172.31.0.1", true },
    { "private", "172.32.0.1", false }, { "private", "fd00::1", true },
    { "unix", "unix", true }, { "private", "unix", false }, { "private", "nonsense", false },
  } do
    it(("%s %s %s"):format(case[1], case[3] and "holds" or "does not hold", case[2]), function()
      assert.equal(case[3], ip.is_in(assert(ip.ranges { "198.51.100.1", case[1] }), case[2]))
    end)
  end

  for text, expected in pairs {
    ["10.0.0.1/8"] = "10.0.0.1/8 has bits set behind the first 8",
    ["10.0.0.0/33"] = "10.0.0.0/33 has more bits than an address",
    ["10.0.0.0/x"] = "10.0.0.0/x is no address such as 10.0.0.0/8 or ::1",
    ["localhost"] = "localhost is no address such as 10.0.0.0/8 or ::1",
  } do
    it(text .. " is refused", function() assert.same({ nil, expected }, { ip.ranges { text } }) end)
  end
end)
