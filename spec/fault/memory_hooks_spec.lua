-- A scope's hooks where Lua's own memory runs out: each runs, once, whichever
-- allocation of the scope's end has failed.

local life = require "spec.support.life"
local neap = require "neap"
local shortage = require "spec.support.shortage"

require("neap.log").configure { level = "error", write = function() end }

describe("a scope that ends while memory is short", function()
  local library, fail_at

  setup(function()
    library = shortage.library()
    fail_at = assert(package.loadlib(library, "luaopen_malloc_fail"))()
  end)
  teardown(function() os.remove(library) end)

  -- Returns how many allocations there were.
  local function end_one(n)
    local ran, scope = 0, neap.scope()
    scope:defer(function() ran = ran + 1 end)
    fail_at(n, 2, "lua")
    pcall(scope.close, scope)
    local total = fail_at()
    if scope.state == "open" then scope:close() end -- it had not begun
    life.wait_until(function() return scope.state == "closed" end, "its end, n = " .. n)
    assert.equal(1, ran, "the hook ran so often, n = " .. n)
    return total
  end

  it("runs its hooks all the same, once each", function()
    neap.run(function()
      local n = 0
      repeat n = n + 1 until n > end_one(n) + 2
      assert.is_true(n > 10)
    end)
  end)
end)
