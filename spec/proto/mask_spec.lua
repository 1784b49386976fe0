local codec = require("neap.core").codec
local wire = require "spec.support.wire"

local function mask_naively(bytes, key, offset)
  local masked = {}
  for i = 1, #bytes do
    local at = (offset + i - 1) % 4 + 1
    masked[i] = string.char(bytes:byte(i) ~ key:byte(at))
  end
  return table.concat(masked)
end

local function make_bytes(len)
  local bytes = {}
  for i = 1, len do bytes[i] = string.char((i * 37 + 11) % 256) end
  return table.concat(bytes)
end

describe("codec.mask", function()
  it("agrees with RFC 6455, section 5.7", function()
    assert.equal("\x7f\x9f\x4d\x51\x58", codec.mask("Hello", wire.KEY))
  end)

  it("agrees with one byte at a time for every length and offset", function()
    for len = 0, 140 do
      local bytes = make_bytes(len)
      for offset = 0, 7 do
        assert.equal(mask_naively(bytes, wire.KEY, offset),
          codec.mask(bytes, wire.KEY, offset))
      end
    end
  end)

  it("is its own inverse", function()
    local bytes = make_bytes(100003)
    assert.equal(bytes, codec.mask(codec.mask(bytes, wire.KEY, 3), wire.KEY, 3))
  end)

  it("refuses a key that has not four bytes, and a negative offset", function()
    assert.has_error(function() codec.mask("x", "abc") end)
    assert.has_error(function() codec.mask("x", "abcde") end)
    assert.has_error(function() codec.mask("x", wire.KEY, -1) end)
  end)
end)

describe("a session's unmasking in place", function()
  it("works at every alignment and length", function()
    for before = 0, 17 do
      for _, len in ipairs { 0, 1, 3, 4, 7, 8, 9, 15, 16, 31, 32, 33, 63, 64, 65, 100 } do
        local bytes = make_bytes(len)
        local frames = wire.frame(wire.PONG, ("p"):rep(before))
          .. wire.frame(wire.BINARY, bytes)
        local trace = wire.read({ frames })
        assert.equal("binary " .. bytes, trace[2])
      end
    end
  end)

  it("works from every offset into a payload that comes in two pieces", function()
    local bytes = make_bytes(77)
    local frame = wire.frame(wire.BINARY, bytes)
    for at = 1, #frame - 1 do
      local trace = wire.read { frame:sub(1, at), frame:sub(at + 1) }
      assert.same({ "binary " .. bytes }, { trace[1] })
    end
  end)
end)
