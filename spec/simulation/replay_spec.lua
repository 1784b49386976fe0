-- What a failing seed is worth: that it fails again.

local function trace(seed)
  local pipe <close> = assert(io.popen("lua5.4 spec/simulation/run.lua " .. seed .. " --trace"))
  return pipe:read "a"
end

describe("a seed", function()
  it("plays the same in two processes", function()
    for _, seed in ipairs { 17, 44, 205 } do
      local text = trace(seed)
      assert.truthy(text:find("ok      seeds " .. seed, 1, true), text)
      assert.equal(text, trace(seed))
    end
  end)

  it("plays unlike another", function()
    assert.not_equal(trace(17):match "trace %x+", trace(18):match "trace %x+")
  end)
end)
