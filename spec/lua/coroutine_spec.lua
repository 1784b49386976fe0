-- neap puts its own coroutine.resume, wrap and close in the place of Lua's: a
-- script must not notice. Both print what they do; the texts must be the same.

local life = require "spec.support.life"

local SCRIPT = [[
  local resume, wrap, close = coroutine.resume, coroutine.wrap, coroutine.close
  %s
  assert((resume == coroutine.resume) == %s)
  local function show(...) print(select("#", ...), ...) end
  local function closing(name, err)
    return setmetatable({}, { __close = function(_, e)
      print("closes", name, e)
      if err then error(err, 0) end
    end })
  end

  local co = coroutine.create(function(a, b)
    show("began", a, b)
    show("got", coroutine.yield(a + b, nil, nil))
    return "end", nil
  end)
  show(coroutine.resume(co, 1, 2))
  show(coroutine.resume(co, nil, "x", nil))
  show(coroutine.resume(co), coroutine.status(co))
  show(coroutine.resume(coroutine.create(function() error { 1 } end)))
  show(coroutine.resume(coroutine.create(function() error "text" end)))
  show(coroutine.resume(coroutine.create(function() error() end)))
  show(coroutine.resume(coroutine.running()))
  show(pcall(coroutine.resume, 42))
  show(pcall(coroutine.resume))

  for a, b in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, i * i) end end) do
    show(a, b)
  end
  local f = coroutine.wrap(function() local c <close> = closing "a"; error "inside" end)
  show(pcall(f))
  show(pcall(f))
  show(pcall(coroutine.wrap(function() error { } end)) == false)
  show(pcall(coroutine.wrap(function() local c <close> = closing("b", "late"); error "early" end)))
  show(pcall(function() coroutine.wrap(error)("level 2", 2) end))
  show(pcall(coroutine.wrap, 42))
  local g
  g = coroutine.wrap(function() g() end)
  show(pcall(g))
  show(pcall(string.gsub, "abc", ".", coroutine.wrap(function() coroutine.yield "x" end)))

  local held = coroutine.create(function() local c <close> = closing "c"; coroutine.yield() end)
  coroutine.resume(held)
  show(coroutine.close(held))
  show(coroutine.close(held), coroutine.status(held))
  local bad = coroutine.create(function()
    local c <close> = closing("d", "oops")
    coroutine.yield()
  end)
  coroutine.resume(bad)
  show(coroutine.close(bad))
  local dead = coroutine.create(error)
  coroutine.resume(dead, "why")
  show(coroutine.close(dead))
  show(coroutine.close(dead))
  show(coroutine.close(coroutine.create(print)))
  show(select("#", pcall(coroutine.close, coroutine.running())))
  local outer
  outer = coroutine.create(function()
    show((pcall(coroutine.wrap(function() coroutine.close(outer) end))))
  end)
  coroutine.resume(outer)
  show(pcall(coroutine.close, 42))

  local function nest(n) return n == 0 and "deep" or coroutine.wrap(nest)(n - 1) end
  show(nest(100))
  show((pcall(nest, 1000)))
  show(coroutine.wrap(function(...) return select("#", ...) end)(table.unpack({}, 1, 200)))
  show(coroutine.isyieldable(), coroutine.wrap(coroutine.isyieldable)())
  show(select(2, coroutine.wrap(coroutine.running)()))
]]

local function run(load_neap, is_stock)
  local status, output = life.die(SCRIPT:format(load_neap, is_stock))
  return status, (output:gsub("/tmp/[%w_]+", "script"):gsub("0x%x+", "0x"))
end

describe("coroutines", function()
  it("are to a script what they are without neap", function()
    local status, expected = run("", "true")
    assert.equal(0, status, expected)
    local _, actual = run("require 'neap.core'", "false")
    assert.equal(expected, actual)
  end)
end)
