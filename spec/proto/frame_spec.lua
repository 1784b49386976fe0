local codec = require("neap.core").codec
local wire = require "spec.support.wire"

describe("codec.frame and codec.read_frame", function()
  -- RFC 6455, section 5.7.
  local examples = {
    { "a text message", "\x81\x05Hello", { opcode = 1, data = "Hello" } },
    { "a masked text message", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
      { opcode = 1, data = "Hello", key = wire.KEY } },
    { "a first fragment", "\x01\x03Hel", { opcode = 1, data = "Hel", fin = false } },
    { "a last fragment", "\x80\x02lo", { opcode = 0, data = "lo" } },
    { "a ping", "\x89\x05Hello", { opcode = 9, data = "Hello" } },
    { "a masked pong", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
      { opcode = 10, data = "Hello", key = wire.KEY } },
    { "256 bytes", "\x82\x7e\x01\x00" .. ("x"):rep(256),
      { opcode = 2, data = ("x"):rep(256) } },
    { "64 KiB", "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" .. ("x"):rep(65536),
      { opcode = 2, data = ("x"):rep(65536) } },
  }
  for _, example in ipairs(examples) do
    local name, bytes, draft = table.unpack(example)
    it("agree with the RFC on " .. name, function()
      assert.equal(bytes, codec.frame(draft))
      local head, size = codec.read_frame(bytes)
      assert.equal(#bytes - #draft.data, size)
      assert.equal(draft.opcode, head.opcode)
      assert.equal(draft.fin ~= false, head.fin)
      assert.equal(draft.key, head.key)
      assert.equal(#draft.data, head.length)
    end)
  end

  for length, head in pairs {
    [0] = "\x82\x00", [125] = "\x82\x7d",
    [126] = "\x82\x7e\x00\x7e", [65535] = "\x82\x7e\xff\xff",
    [65536] = "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
    [0x7FFFFFFFFFFFFFFF] = "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
  } do
    it("use the shortest form for " .. length .. " bytes", function()
      assert.equal(head, codec.frame { opcode = 2, declared = length })
      assert.equal(length, (codec.read_frame(head)).length)
    end)
  end

  it("answer nil while the head is not whole", function()
    local bytes = codec.frame { opcode = 2, key = wire.KEY, declared = 65536 }
    assert.equal(14, #bytes)
    for size = 0, 13 do
      assert.equal(1, select("#", codec.read_frame(bytes:sub(1, size))))
      assert.is_nil((codec.read_frame(bytes:sub(1, size))))
    end
    assert.equal(14, select(2, codec.read_frame(bytes)))
  end)

  for name, draft in pairs {
    ["125 in two bytes"] = { declared = 125, length_bytes = 2 },
    ["0 in eight bytes"] = { declared = 0, length_bytes = 8 },
    ["65535 in eight bytes"] = { declared = 65535, length_bytes = 8 },
    ["the sign bit"] = { declared = math.mininteger, length_bytes = 8 },
    ["a long ping"] = { opcode = 9, data = ("x"):rep(126) },
    ["a fragmented ping"] = { opcode = 9, fin = false },
  } do
    it("refuse " .. name, function()
      local head, message, code = codec.read_frame(codec.frame(draft))
      assert.is_nil(head)
      assert.is_string(message)
      assert.equal("protocol", code)
    end)
  end

  it("keep the reserved bits", function()
    for rsv = 0, 7 do
      assert.equal(rsv, (codec.read_frame(codec.frame { rsv = rsv })).rsv)
    end
  end)

  it("raise on a draft that cannot be written", function()
    assert.has_error(function() codec.frame { opcode = 16 } end)
    assert.has_error(function() codec.frame { rsv = 8 } end)
    assert.has_error(function() codec.frame { key = "abc" } end)
    assert.has_error(function() codec.frame { length_bytes = 4 } end)
    assert.has_error(function() codec.frame { data = 1 } end)
    assert.has_error(function() codec.frame "data" end)
  end)
end)
