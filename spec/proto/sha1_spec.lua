local codec = require("neap.core").codec

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("SHA-1", function()
  for name, case in pairs {
    ["no bytes"] = { "", "da39a3ee5e6b4b0d3255bfef95601890afd80709" },
    ["one block"] = { "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
    ["two blocks"] = {
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    },
    ["a million bytes"] = { ("a"):rep(1000000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f" },
    ["64-byte groups"] = { ("01234567"):rep(80), "dea356a2cddd90c7a7ecedc5ebb563934f460452" },
  } do
    it("digests " .. name, function()
      assert.equal(case[2], hex(codec.sha1(case[1])))
    end)
  end

  it("digests every length around the end of a block", function()
    local all = {}
    for length = 0, 130 do all[#all + 1] = codec.sha1(("x"):rep(length)) end
    -- The digest of all the digests, from another program.
    assert.equal("c8aae94427ef2bc2653160a5197170068f5fc9fd", hex(codec.sha1(table.concat(all))))
  end)
end)

describe("base64", function()
  -- RFC 4648, section 10.
  for plain, text in pairs {
    [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
    foobar = "Zm9vYmFy",
  } do
    it(("writes %q as %q and reads it back"):format(plain, text), function()
      assert.equal(text, codec.base64(plain))
      assert.equal(plain, codec.unbase64(text))
    end)
  end

  it("keeps every byte", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i, 255 - i) end
    local all = table.concat(bytes)
    for length = 0, #all do
      assert.equal(all:sub(1, length), codec.unbase64(codec.base64(all:sub(1, length))))
    end
  end)

  for _, text in ipairs {
    "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==",
    "Zm9v\n", "Zm9v Zm9", "Zm-_", "Zm9\0", "=m9v",
  } do
    it(("does not read %q"):format(text), function()
      assert.same({ nil, "The text is not base64.", "protocol" }, { codec.unbase64(text) })
    end)
  end
end)
