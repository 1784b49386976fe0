local core = require "neap.core"
local fair = require "spec.support.fair"
local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"

-- Collects what is logged while fn runs.
local function logged(fn)
  local lines = {}
  log.configure { write = function(line) lines[#lines + 1] = line end }
  local ok, err = pcall(fn)
  log.configure { write = function(line) io.stderr:write(line) end }
  if not ok then error(err, 0) end
  return table.concat(lines)
end

local function code_of(...)
  assert.equal(3, select("#", ...))
  assert.is_nil((...))
  return (select(3, ...))
end

-- A list of what happened, and a function that makes closings note their name.
local function diary()
  local list = {}
  return list, function(name)
    return function() list[#list + 1] = name end
  end
end

describe("closing a scope", function()
  it("ends what it owns in reverse order, whatever it is", function()
    life.run(function()
      local list, note = diary()
      local scope = neap.scope()
      scope:defer(note "hook")
      scope:own { close = note "owned" }
      scope:child():defer(note "child")
      scope:spawn(function()
        local _ <close> = setmetatable({}, { __close = note "task" })
        neap.sleep(60)
      end)
      scope:own(setmetatable({}, { __close = note "closable" }))
      neap.sleep(0)
      scope:close()
      assert.same({ "closable", "task", "child", "owned", "hook" }, list)
    end)
  end)

  it("ends each thing once, however often it is asked", function()
    life.run(function()
      local list, note = diary()
      local scope = neap.scope()
      scope:defer(note "a")
      local handle = scope:own { close = note "b" }
      handle:close()
      handle:close()
      scope:close()
      scope:close()
      assert.same({ "b", "a" }, list)
    end)
  end)

  it("goes on when a step fails, and logs it with its traceback", function()
    local list, note = diary()
    local text = logged(function()
      life.run(function()
        local scope = neap.scope()
        scope:defer(note "first")
        scope:defer(function() error "the hook failed" end)
        scope:own { close = function() error { code = 7 } end }
        scope:own { close = function() error(setmetatable({}, { __tostring = error })) end }
        scope:defer(note "last")
        scope:close()
        assert.equal("closed", code_of(scope:spawn(print)))
      end)
    end)
    assert.same({ "last", "first" }, list)
    assert.truthy(text:find("the hook failed", 1, true))
    assert.truthy(text:find("stack traceback", 1, true))
    assert.truthy(text:find("scope_spec.lua", 1, true))
  end)

  it("is harmless from a hook of the scope itself", function()
    life.run(function()
      local list, note = diary()
      local scope = neap.scope()
      scope:defer(note "first")
      scope:defer(function() scope:close(); list[#list + 1] = "again" end)
      scope:on_cancel(function() scope:close() end)
      scope:close()
      assert.same({ "again", "first" }, list)
    end)
  end)

  it("runs a hook that a hook adds, next", function()
    life.run(function()
      local list, note = diary()
      local scope = neap.scope()
      scope:defer(note "first")
      scope:defer(function() scope:defer(note "late") end)
      scope:close()
      assert.same({ "late", "first" }, list)
    end)
  end)

  it("lets hooks wait, at most timeouts.cancel, and shielded ones longer", function()
    local list, note = diary()
    local text = logged(function()
      life.run(function()
        local scope = neap.scope { cancel_timeout = 0.1 }
        scope:defer(note "first")
        scope:defer(function() neap.sleep(60); list[#list + 1] = "never" end)
        scope:defer(function()
          scope:shield(1, function() neap.sleep(0.3) end)
          list[#list + 1] = "shielded"
        end)
        scope:defer(function() neap.sleep(0.02); list[#list + 1] = "short" end)
        local began = fair.now()
        scope:close()
        assert.is_true(fair.now() - began < 4)
      end)
    end)
    assert.same({ "short", "shielded", "first" }, list)
    assert.truthy(text:find("given up", 1, true))
  end)

  it("takes no hook along with one before it that was given up as it ended", function()
    local list, note = diary()
    logged(function()
      life.run(function()
        local scope = neap.scope { cancel_timeout = 0.05 }
        scope:defer(note "first")
        scope:defer(function()
          scope:shield(10, function() neap.sleep(0.1) end)
          list[#list + 1] = "shielded"
        end)
        scope:defer(function() neap.sleep(0.03); list[#list + 1] = "late" end)
        neap.spawn(function()
          neap.sleep(0.01)
          local until_then = neap.now() + 0.2
          while neap.now() < until_then do end -- as a machine does that stands still
        end)
        neap.sleep(0)
        scope:close()
      end)
    end)
    -- Whether "late" was given up before it ended is the turn's choice.
    if list[1] == "late" then table.remove(list, 1) end
    assert.same({ "shielded", "first" }, list)
  end)

  it("does not wait for ever when two scopes own each other", function()
    life.run(function()
      local list, note = diary()
      local a, b = neap.scope(), neap.scope()
      a:own(b)
      b:own(a)
      a:defer(note "a")
      b:defer(note "b")
      a:close()
      b:close()
      assert.same({ "a", "b" }, list)
    end)
  end)

  it("is done at once in the main chunk, where no loop runs yet", function()
    local list, note = diary()
    local scope = neap.scope()
    scope:defer(note "a")
    scope:child():own { close = note "b" }
    scope:after(60, note "never")
    scope:close()
    assert.same({ "b", "a" }, list)
    life.check_census()
  end)

  it("makes new scopes in a hook children of what is still open", function()
    life.run(function()
      local outer = neap.scope()
      local inner, made = outer:child(), nil
      inner:defer(function() made = neap.scope() end)
      inner:close()
      assert(made:spawn(function() neap.sleep(60) end))
      outer:close()
      assert.equal("closed", code_of(made:spawn(print)))
    end)
  end)
end)

describe("who waits for a close", function()
  -- A task that ends when it may: `gate.is_open`; with `soon`, by itself.
  local function slow(scope, list, soon)
    local gate = { is_open = false }
    scope:spawn(function()
      scope:shield(10, function()
        repeat neap.sleep(0.01) until gate.is_open
      end)
      list[#list + 1] = "ended"
    end)
    neap.sleep(0)
    if soon then neap.spawn(function() neap.sleep(0.03); gate.is_open = true end) end
    return gate
  end

  it("is a task outside of the scope", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      slow(scope, list, true)
      scope:close()
      assert.same({ "ended" }, list)
    end)
  end)

  it("is a second one that closes too", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      slow(scope, list, true)
      neap.spawn(function() scope:close(); list[#list + 1] = "first" end)
      neap.sleep(0)
      scope:close()
      assert.equal("ended", list[1])
    end)
  end)

  it("is the end of a <close> variable", function()
    life.run(function()
      local list = {}
      do
        local scope <close> = neap.scope()
        slow(scope, list, true)
      end
      assert.same({ "ended" }, list)
    end)
  end)

  it("is no task that the scope owns, however deep", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      local gate = slow(scope, list)
      scope:child():child():spawn(function()
        scope:close()
        list[#list + 1] = "returned"
      end)
      life.wait_until(function() return list[1] end)
      gate.is_open = true
      life.wait_until(function() return list[2] end)
      assert.same({ "returned", "ended" }, list)
      scope:close()
    end)
  end)

  it("is no task of a scope that is linked to it", function()
    life.run(function()
      local list, one, two = {}, neap.scope(), neap.scope()
      local gate = slow(two, list)
      neap.scope { within = { one, two } }:spawn(function()
        two:close()
        list[#list + 1] = "returned"
      end)
      life.wait_until(function() return list[1] end)
      gate.is_open = true
      life.wait_until(function() return list[2] end)
      assert.same({ "returned", "ended" }, list)
      one:close()
    end)
  end)

  it("is no finaliser", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      local gate = slow(scope, list)
      setmetatable({}, { __gc = function() scope:close(); list[#list + 1] = "finalised" end })
      life.collect()
      assert.same({ "finalised" }, list)
      gate.is_open = true
      scope:close()
      assert.same({ "finalised", "ended" }, list)
    end)
  end)

  it("is no coroutine that is being closed", function()
    life.run(function()
      local list, scope, other = {}, neap.scope(), neap.scope()
      local gate = slow(scope, list)
      other:spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          scope:close()
          list[#list + 1] = "returned"
        end })
        neap.sleep(60)
        neap.sleep(60)
      end)
      neap.sleep(0)
      other:close()
      gate.is_open = true
      scope:close()
      assert.same({ "returned", "ended" }, list)
    end)
  end)

  it("is no coroutine of the script's own", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      local gate = slow(scope, list)
      coroutine.wrap(function() scope:close(); list[#list + 1] = "returned" end)()
      assert.same({ "returned" }, list)
      gate.is_open = true
      scope:close()
    end)
  end)

  it("gets its answer also when it is itself cancelled", function()
    life.run(function()
      local list, scope, other = {}, neap.scope(), neap.scope()
      local gate = slow(scope, list)
      other:spawn(function() scope:close(); list[#list + 1] = "returned" end)
      neap.sleep(0)
      other:cancel()
      neap.sleep(0)
      assert.same({ "returned" }, list)
      other:close()
      gate.is_open = true
      scope:close()
    end)
  end)
end)

describe("a scope that nobody uses", function()
  it("is not made for connections and requests", function()
    life.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local before = core.counts().scope.opened
      local client = world:connect "/"
      client:send "x"
      assert.equal("x", client:receive(10))
      client:close()
      client:wait_closed(10)
      assert.equal(before, core.counts().scope.opened)
    end)
  end)
end)

describe("a scope's life", function()
  it("ends when the script drops it, its hooks and tasks with it", function()
    life.run(function()
      local list = {}
      life.forget(function()
        local scope = neap.scope { within = {}, label = "dropped" }
        scope:defer(function(why) list[#list + 1] = why.cause end)
        scope:own { close = function() list[#list + 1] = "owned" end }
        scope:every(60, function() return scope end)
      end)
      life.wait_until(function() life.collect(); return #list == 2 end)
      table.sort(list)
      assert.same({ "cancelled", "owned" }, list)
    end)
  end)

  it("goes on, though dropped, while its tasks are under way", function()
    life.run(function()
      local got
      life.forget(function()
        neap.scope():child():spawn(function() neap.sleep(0.05); got = true end)
      end)
      for _ = 1, 10 do life.collect(); neap.sleep(0.01) end
      assert.is_true(got)
    end)
  end)

  it("ends while a task waits for its end", function()
    life.run(function()
      local scope = neap.scope()
      scope:spawn(function() scope:shield(1, function() neap.sleep(0.05) end) end)
      neap.sleep(0)
      local waiter = neap.spawn(function() scope:close() end)
      neap.sleep(0)
      waiter:close()
    end)
  end)

  for name, ending in pairs {
    ["by os.exit"] = "os.exit(0, true)",
    ["by its end"] = "",
    ["by an error"] = "error('the end', 0)",
  } do
    it("ends with a state that is closed " .. name, function()
      local status, output = life.die(([[
        local neap = require "neap"
        kept = { neap.scope(), neap.scope { timeout = 60 } }
        kept[1]:defer(function() neap.sleep(1) end)
        kept[1]:spawn(function() local c <close> = kept[2]; neap.sleep(60) end)
        kept[2]:every(1, print)
        kept[2]:child():spawn(neap.sleep, 60)
        kept[2]:spawn(function() error "boom" end)
        local closing = neap.scope()
        closing:spawn(function() while true do coroutine.yield() end end)
        neap.run(function()
          local mine = neap.scope()
          mine:spawn(function() neap.sleep(0.02) closing:close() end)
          mine:defer(function() neap.scope() end)
          neap.sleep(0.05)
        end)
        %s
      ]]):format(ending))
      assert.equal(name == "by an error" and 1 or 0, status, output)
      assert.is_nil(output:find "Sanitizer", output)
    end)
  end
end)
