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

describe("an ended scope", function()
  local function ended()
    local scope = neap.scope()
    scope:defer(function() end)
    scope:close()
    return scope
  end

  it("runs hooks at once, once, and closes what it is given", function()
    life.run(function()
      local list, scope = {}, ended()
      local handle = scope:defer(function(why) list[#list + 1] = why.cause end)
      assert.same({ "closed" }, list)
      scope:on_cancel(function(reason) list[#list + 1] = reason end)
      scope:own { close = function() list[#list + 1] = "owned" end }
      handle:close()
      scope:close()
      assert.same({ "closed", "closed", "owned" }, list)
    end)
  end)

  it("logs what such a hook raises", function()
    local text = logged(function()
      life.run(function()
        local scope = ended()
        scope:defer(function() error "late hook" end)
        scope:on_cancel(function() error "late cancel" end)
        scope:own { close = function() error "late close" end }
      end)
    end)
    for _, what in ipairs { "late hook", "late cancel", "late close" } do
      assert.truthy(text:find(what, 1, true), what)
    end
  end)

  it("answers closed to spawn, after, every and child, and runs nothing", function()
    life.run(function()
      local ran, scope = false, ended()
      local function run() ran = true end
      assert.equal("closed", code_of(scope:spawn(run)))
      assert.equal("closed", code_of(scope:after(0, run)))
      assert.equal("closed", code_of(scope:every(0.001, run)))
      assert.equal("closed", code_of(scope:child()))
      neap.sleep(0.02)
      assert.is_false(ran)
    end)
  end)

  it("answers closed already while it closes, and no timer fires then", function()
    life.run(function()
      local answer, ticks, is_closing
      local scope = neap.scope()
      scope:every(0.01, function() ticks = is_closing end)
      scope:after(0.02, function() ticks = is_closing end)
      scope:spawn(function()
        scope:shield(1, function() neap.sleep(0.1) end)
        answer = code_of(scope:spawn(print))
      end)
      neap.sleep(0)
      is_closing = true
      scope:close()
      assert.equal("closed", answer)
      assert.is_nil(ticks)
    end)
  end)
end)

describe("why a scope ended", function()
  local function heard(how, options)
    local why
    life.run(function()
      local scope = neap.scope(options)
      scope:defer(function(given) why = given end)
      how(scope)
      life.wait_until(function() return why end)
      assert.is_true(why.age >= 0 and why.age < 5)
    end)
    return why.cause
  end

  it("is told to its hooks", function()
    assert.equal("closed", heard(function(scope) scope:close() end))
    assert.equal("closed", heard(function(scope) local _ <close> = scope end))
    assert.equal("error", heard(function(scope)
      pcall(function() local _ <close> = scope; error "x" end)
    end))
    assert.equal("timeout", heard(function() end, { timeout = 0.02 }))
  end)

  it("is cancelled when one above it ended, timeout in that one", function()
    life.run(function()
      local causes = {}
      local function note(name)
        return function(why) causes[name] = why.cause end
      end
      local outer = neap.scope { timeout = 0.02 }
      outer:defer(note "outer")
      outer:child():defer(note "child")
      life.wait_until(function() return causes.outer end)
      assert.same({ outer = "timeout", child = "cancelled" }, causes)
    end)
  end)

  it("is the first reason, whoever closes it meanwhile", function()
    assert.equal("timeout", heard(function(scope)
      scope:spawn(function() scope:shield(1, function() neap.sleep(0.05) end) end)
      neap.sleep(0.03)
      scope:close()
    end, { timeout = 0.01 }))
  end)
end)

describe("a linked scope", function()
  for _, which in ipairs { 1, 2 } do
    it("ends with any of those above it: number " .. which, function()
      life.run(function()
        local above, why, code = { neap.scope(), neap.scope() }, nil, nil
        local linked = neap.scope { within = above }
        linked:defer(function(given) why = given end)
        linked:spawn(function() code = code_of(neap.sleep(60)) end)
        neap.sleep(0)
        above[which]:close()
        assert.equal("cancelled", why.cause)
        assert.equal("cancelled", code)
        assert.equal("closed", code_of(linked:spawn(print)))
        above[3 - which]:close()
      end)
    end)
  end

  it("ends at its own time-out first, and leaves no trace above", function()
    life.run(function()
      local above = { neap.scope(), neap.scope() }
      local linked = neap.scope { timeout = 0.01, within = above }
      life.wait_until(function() return linked:cancelled() and not above[1].last end)
      assert.equal("timeout", linked:cancelled())
      assert.is_nil(above[2].last)
      above[1]:close()
      above[2]:close()
    end)
  end)

  it("has ended already when one above it has", function()
    life.run(function()
      local open, closed = neap.scope(), neap.scope()
      closed:close()
      local cause
      neap.scope { within = { open, closed, open } }:defer(function(why) cause = why.cause end)
      assert.equal("cancelled", cause)
      assert.is_nil(open.last)
      open:close()
    end)
  end)

  it("is cancelled when one above it is, or was", function()
    life.run(function()
      local one, two = neap.scope(), neap.scope()
      one:cancel "stop"
      local linked = neap.scope { within = { two, one } }
      assert.equal("stop", linked:cancelled())
      linked:close()
      one:close()
      two:close()
    end)
  end)

  it("may hang on an app and a connection", function()
    life.run(function(world)
      local cause
      world:ws("/", { open = function() end })
      local conn = world:connect "/"
      neap.scope { within = { world.app, conn } }:defer(function(why) cause = why.cause end)
      conn:close()
      life.wait_until(function() return cause end)
      assert.equal("cancelled", cause)
    end)
  end)
end)

describe("misuse of scopes", function()
  local function complaint(fn)
    local ok, err = pcall(fn)
    assert.is_false(ok)
    return err
  end

  it("is told at the script's own line", function()
    life.run(function()
      local scope <close> = neap.scope()
      local here = "^spec/lifetime/scope_end_spec%.lua:%d+: "
      for name, fn in pairs {
        ["did you mean timeout"] = function() neap.scope { timeuot = 1 } end,
        ["must be a table"] = function() neap.scope(5) end,
        ["label must be a string"] = function() neap.scope { label = 5 } end,
        ["timeout must not be negative"] = function() neap.scope { timeout = -1 } end,
        ["within must be a scope, not a number"] = function() neap.scope { within = { 5 } } end,
        ["spawn's argument must be a function"] = function() scope:spawn(5) end,
        ["after's time must be a number"] = function() scope:after("x", print) end,
        ["every's time must be more than 0"] = function() scope:every(0, print) end,
        ["every's time must not be negative"] = function() scope:every(0 / 0, print) end,
        ["own needs a value"] = function() scope:own(5) end,
        ["defer's argument"] = function() scope:defer() end,
        ["on_cancel's argument"] = function() scope:on_cancel {} end,
        ["shield's function"] = function() scope:shield(1) end,
        ["child's options"] = function() scope:child(5) end,
      } do
        local err = complaint(fn)
        assert.truthy(err:find(here), err)
        assert.truthy(err:find(name, 1, true), err)
      end
    end)
  end)
end)
