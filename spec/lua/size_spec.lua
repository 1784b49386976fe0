local size = require "neap.size"

describe("a size", function()
  for given, bytes in pairs {
    ["0"] = 0, ["512"] = 512, ["64K"] = 65536, ["64k"] = 65536,
    ["16M"] = 16777216, ["2G"] = 2147483648, ["1.5K"] = 1536,
  } do
    it("is read from " .. given, function()
      assert.equal(bytes, size.parse(given))
      assert.equal("integer", math.type(size.parse(given)))
    end)
  end

  it("may be a number", function()
    assert.equal(4096, size.parse(4096))
    assert.equal(4096, size.parse(4096.0))
  end)

  for _, wrong in ipairs {
    "", "K", "64KB", "-1", "1 K", "0x10", "1e3", ".5K", "1.3K", "99999999G",
  } do
    it(("is not read from %q"):format(wrong), function()
      assert.is_nil(size.parse(wrong))
    end)
  end

  it("is no negative, broken or endless number, and no table", function()
    for _, wrong in ipairs { -1, 0.5, 1 / 0, 0 / 0, {}, true } do
      assert.is_nil(size.parse(wrong))
    end
  end)
end)
