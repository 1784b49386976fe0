local life = require "spec.support.life"
local neap = require "neap"

describe("the census", function()
  it("balances, class by class", function()
    life.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local conn = world:connect "/"
      conn:subscribe "a"
      for class, tally in pairs(neap.census().classes) do
        assert.equal(tally.opened, tally.closed + tally.live, class)
        assert.is_true(tally.peak >= tally.live, class)
      end
      assert.equal(2, neap.census().classes.conn.live)
      assert.equal(2, neap.census().conn.live)
    end)
  end)

  it("knows by which line a thing was made, and a connection by its route", function()
    life.run(function(world)
      world:ws("/room/:name", { message = function(_, data) return data end })
      local here = debug.getinfo(1, "l").currentline
      local conn = world:connect "/room/1"
      local own <close> = neap.scope { label = "mine" }
      own:every(10, function() end)
      own:every(10, function() end)
      local classes = neap.census().classes
      local file = "spec/lifetime/census_spec.lua:"
      assert.equal(1, classes.timer.sites[file .. here + 3])
      assert.equal(1, classes.timer.sites[file .. here + 4])
      assert.equal(1, classes.scope.sites[file .. here + 2])
      assert.equal(1, classes.scope.labels.mine)
      assert.equal(1, classes.conn.sites["ws /room/:name"])
      assert(conn.state == "open")
    end)
  end)

  it("says what grew between two moments, and where from", function()
    life.run(function()
      local before = neap.census()
      assert.equal("", tostring(neap.census.diff(before, neap.census())))
      local own <close> = neap.scope { label = "feeds" }
      for _ = 1, 3 do own:every(10, function() end) end
      local grown = neap.census.diff(before, neap.census())
      local text = tostring(grown)
      assert.truthy(text:find "timer %+3 from spec/lifetime/census_spec.lua:%d+", text)
      assert.truthy(text:find("scope +1 labelled feeds", 1, true), text)
      assert.same({ "scope", 1 }, { grown[1].class, grown[1].more })
    end)
  end)

  it("knows the age of the oldest", function()
    life.run(function()
      local own <close> = neap.scope {}
      own:every(10, function() end)
      neap.sleep(0.05)
      local oldest = neap.census().timer.oldest
      assert.is_true(oldest >= 0.04 and oldest < 5, tostring(oldest))
    end)
  end)

  it("collects first when it is asked to", function()
    life.forget(function() neap.scope {}:every(10, function() end) end)
    life.run(function()
      assert.equal(1, neap.census().timer.live)
      life.wait_until(function() return neap.census { collect = true }.timer.live == 0 end)
    end)
  end)
end)
