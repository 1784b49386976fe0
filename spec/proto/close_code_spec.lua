local codec = require("neap.core").codec

describe("codec.is_close_code", function()
  it("accepts just what may be sent, of all numbers", function()
    local ranges = { { 1000, 1003 }, { 1007, 1014 }, { 3000, 4999 } }
    for code = 0, 70000 do
      local may = false
      for _, range in ipairs(ranges) do
        may = may or (code >= range[1] and code <= range[2])
      end
      if codec.is_close_code(code) ~= may then error("wrong about " .. code) end
    end
    assert.is_false(codec.is_close_code(-1))
    assert.is_false(codec.is_close_code(65536 + 1000))
  end)
end)
