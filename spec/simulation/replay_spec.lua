-- What a failing seed is worth: that it fails again.

local CLOCK = [[-e 'package.cpath = ("./%%s/?.so;"):format(os.getenv "NEAP_BUILD" or "build")
  .. package.cpath require "neap.core".advance(%d)' ]]

local function trace(seeds, seconds)
  local clock = seconds and CLOCK:format(seconds) or ""
  local command = ("lua5.4 %sspec/simulation/run.lua %s --trace"):format(clock, seeds)
  local pipe <close> = assert(io.popen(command))
  return pipe:read "a"
end

local function last_digest(text)
  return text:match ".*trace (%x+)"
end

describe("a seed", function()
  it("plays the same in two processes", function()
    for _, seed in ipairs { 17, 44, 205 } do
      local text = trace(seed)
      assert.truthy(text:find("ok      seeds " .. seed, 1, true), text)
      assert.equal(text, trace(seed))
    end
  end)

  it("plays the same alone and behind others", function()
    for _, seeds in ipairs { { 73, 74 }, { 221, 224 }, { 273, 275 }, { 13235, 13236 },
      { 13744, 13760 } } do
      local first, last = table.unpack(seeds)
      assert.equal(last_digest(trace(last)), last_digest(trace(first .. " " .. last)), last)
    end
  end)

  it("plays the same whatever the machine's clock says", function()
    for _, seconds in ipairs { 40000, 3000000 } do
      assert.equal(trace(13298), trace(13298, seconds))
    end
  end)

  it("plays unlike another", function()
    assert.not_equal(trace(17):match "trace %x+", trace(18):match "trace %x+")
  end)
end)
