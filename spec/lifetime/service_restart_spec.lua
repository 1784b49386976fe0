local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local provided = require "spec.support.provided"
local test = require "neap.test"

local noting, without_lines = provided.services, provided.without_lines
local quietly = life.quietly

local function live() return core.counts().service.live end

local function run(fn)
  neap.run(fn)
  life.check_census()
end

describe("a task of a service that dies", function()
  it("is reported, and the service goes on", function()
    local text = quietly(function()
      run(function()
        local ticks, app = 0, neap.app()
        app:service { name = "feed", start = function(scope)
          scope:every(0.001, function() ticks = ticks + 1 end)
          scope:spawn(function() error "on purpose" end)
        end }
        local world = test.serve(app)
        life.wait_until(function() return ticks > 2 end)
        world:close()
      end)
    end)
    assert.matches('error in service "feed" %(LINE%): LINE: on purpose', without_lines(text))
  end)

  it("starts it again with restart, from a new scope, after its stop", function()
    local text = quietly(function()
      run(function()
        local list, runs, scopes = {}, 0, {}
        local app, add = noting(list)
        add("before")
        add("feed", { restart = { min = 0.001, max = 0.01 }, start = function(scope)
          runs = runs + 1
          scopes[runs] = scope
          if runs < 4 then scope:spawn(function() error("died " .. runs, 0) end) end
        end })
        local world = test.serve(app)
        life.wait_until(function() return runs == 4 end)
        assert.equal(2, live())
        assert.not_equal(scopes[1], scopes[2])
        world:close()
        assert.same({ "+before", "+feed", "-feed", "+feed", "-feed", "+feed", "-feed", "+feed",
          "-feed", "-before" }, list)
      end)
    end)
    for i = 1, 3 do assert.matches("error in service \"feed\" .-: died " .. i, text) end
    assert.matches('service "feed" .- is started again in 0%.0 s', text)
  end)

  it("starts it again also when it can't start for a while", function()
    local text = quietly(function()
      run(function()
        local app, runs, is_up = neap.app(), 0, false
        app:service { name = "feed", restart = { min = 0.001, max = 0.01 }, start = function(scope)
          runs = runs + 1
          if runs == 1 then scope:spawn(function() error("died", 0) end) end
          if runs == 2 then error("no feed", 0) end
          if runs == 3 then return nil, "no feed", "refused" end
          is_up = runs == 4
        end }
        local world = test.serve(app)
        life.wait_until(function() return is_up end)
        assert.equal(1, live())
        world:close()
      end)
    end)
    local _, times = text:gsub('service "feed" %b() failed to start: no feed', "")
    assert.equal(2, times)
  end)

  it("is not started again while others stop", function()
    quietly(function()
      run(function()
        local list = {}
        local app, add = noting(list)
        add("slow", { stop = function()
          test.clock:advance(3)
          neap.sleep(0.02)
        end })
        add("feed", { restart = { min = 2, max = 2, jitter = "none" },
          start = function(scope) scope:spawn(function() error("died", 0) end) end })
        local world = test.serve(app)
        life.wait_until(function() return live() == 1 end)
        world:close()
        assert.same({ "+slow", "+feed", "-feed", "-slow" }, list)
      end)
    end)
  end)

  it("starts it again once, however many of its tasks die", function()
    quietly(function()
      run(function()
        local list, runs = {}, 0
        local app, add = noting(list)
        add("feed", { restart = { min = 0.001, max = 0.001 }, start = function(scope)
          runs = runs + 1
          for _ = 1, runs == 1 and 3 or 0 do
            scope:after(0.005, function() error("died", 0) end)
          end
        end })
        local world = test.serve(app)
        life.wait_until(function() return runs == 2 end)
        neap.sleep(0.02)
        world:close()
        assert.same({ "+feed", "-feed", "+feed", "-feed" }, list)
      end)
    end)
  end)

  it("waits longer each time, and as at first once a run has lasted", function()
    local text = quietly(function()
      run(function()
        local app, runs, die = neap.app(), 0, nil
        app:service { name = "feed", restart = { min = 10, max = 20, jitter = "none" },
          start = function(scope)
            runs = runs + 1
            die = function() scope:spawn(function() error("died", 0) end) end
          end }
        local world = test.serve(app)
        for run_number, lasts in ipairs { 0, 0, 25 } do
          test.clock:advance(lasts)
          die()
          for _ = 1, 25 do
            if runs == run_number then test.clock:advance(1) end
            neap.sleep(0.001)
          end
          life.wait_until(function() return runs == run_number + 1 end)
        end
        world:close()
      end)
    end)
    local waits = {}
    for seconds in text:gmatch "is started again in ([%d.]+) s" do waits[#waits + 1] = seconds end
    assert.same({ "10.0", "20.0", "10.0" }, waits)
  end)

  it("is not started again once the app stops", function()
    quietly(function()
      run(function()
        local app, runs = neap.app(), 0
        app:service { name = "feed", restart = { min = 60, max = 60, jitter = "none" },
          start = function(scope)
            runs = runs + 1
            scope:spawn(function() error("died", 0) end)
          end }
        local world = test.serve(app)
        life.wait_until(function() return live() == 0 end)
        local began = neap.now()
        world:close()
        assert.is_true(neap.now() - began < 5)
        assert.equal(1, runs)
      end)
    end)
  end)
end)
