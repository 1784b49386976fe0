local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local function live(class)
  return core.counts()[class].live
end

local function serve(world)
  world.most, world.under_way = 0, 0
  world:ws("/", { accept = function()
    world.under_way = world.under_way + 1
    world.most = math.max(world.most, world.under_way)
    neap.sleep(0.01)
    world.under_way = world.under_way - 1
    return true
  end, message = function(_, data) return data end })
  return ("ws://127.0.0.1:%d/"):format(world:port())
end

local function is_open(fleet, count)
  return function() return fleet:counts().open == count end
end

describe("a fleet", function()
  it("lets so many connect at a time, and counts its clients by state", function()
    life.run(function(world)
      local url = serve(world)
      local fleet <close> = neap.fleet { size = 40, connecting = 4, client = { url = url } }
      assert.equal(40, fleet:counts().total)
      life.wait_until(is_open(fleet, 40))
      assert.is_true(world.most <= 4 and world.most > 1, world.most)
      assert.same({ open = 40, total = 40 }, fleet:counts())
      assert.equal(40, fleet:send "to all")
    end)
  end)

  it("has clients of different kinds, each of which may end by itself", function()
    life.run(function(world)
      local url = serve(world)
      local ended
      local fleet <close> = neap.fleet { size = 3, client = function(i)
        return { url = url, headers = { ["X-I"] = i } }
      end }
      local other = fleet:add { url = "ws://127.0.0.1:1/", on_end = function() ended = true end }
      life.wait_until(is_open(fleet, 3))
      other:close()
      life.wait_until(function() return ended end)
      assert.equal(3, fleet:counts().total)
    end)
  end)

  it("gives the turn on when a client ends while it connects, or before", function()
    life.run(function(world)
      local url = serve(world)
      local fleet <close> = neap.fleet { size = 20, connecting = 1, client = { url = url } }
      neap.sleep(0.02)
      local index = 0
      fleet:each(function(client)
        index = index + 1
        if index % 2 == 0 then client:close() end
      end)
      life.wait_until(function() return (fleet:counts().open or 0) == fleet:counts().total end)
      assert.equal(0, fleet.gate.inside)
    end)
  end)

  it("refuses wrong options at the script's line", function()
    for _, wrong in ipairs {
      { sise = 1 }, { size = -1 }, { connecting = 0 }, { client = 1 }, { size = 1, client = {} },
    } do
      local ok, message = pcall(neap.run, neap.fleet, wrong)
      assert.is_false(ok)
      assert.is_string(message)
    end
  end)
end)

describe("the life of a fleet", function()
  local function make(world, more)
    local given = { size = 10, client = { url = serve(world) } }
    for name, value in pairs(more or {}) do given[name] = value end
    return neap.fleet(given)
  end

  it("ends at close and by <close>, with all its clients", function()
    life.run(function(world)
      do
        local fleet <close> = make(world)
        life.wait_until(is_open(fleet, 10))
      end
      assert.equal(0, live "client")
      local fleet = neap.fleet { size = 5, client = { url = "ws://127.0.0.1:1/" } }
      fleet:close()
      fleet:close()
      assert.equal(0, live "client")
      assert.equal("closed", select(3, fleet:add { url = "ws://127.0.0.1:1/" }))
      assert.same({ total = 0 }, fleet:counts())
      assert.equal(0, fleet:send "x")
    end)
  end)

  it("ends with its scope", function()
    life.run(function(world)
      local scope = neap.scope()
      local fleet = make(world, { scope = scope })
      neap.sleep(0.02)
      scope:close()
      assert.same({ 0, 0 }, { live "client", fleet:counts().total })
    end)
  end)

  it("is held by its scope when the script drops it", function()
    life.run(function(world)
      life.forget(function() return make(world) and nil end)
      life.collect()
      assert.equal(10, live "client")
    end)
  end)

  it("ends with a state that is closed", function()
    local status, output = life.die [[
      local neap = require "neap"
      kept = neap.fleet{size = 10, client = {url = "ws://127.0.0.1:1"}}
      neap.run(function()
        other = neap.fleet{size = 10, connecting = 2, client = {url = "ws://127.0.0.1:1"}}
        neap.sleep(0.05)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
  end)
end)
