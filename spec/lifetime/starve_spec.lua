-- Each allocation in C of a connection in memory fails once, in builds that let
-- them: someone hears of it, and nothing is left.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

if not core.starve then return end

-- Calls fn with the first, second, third … allocation failing, and the last time
-- with none.
local function sweep(most, fn)
  for after = 0, most do
    core.starve(after, 1)
    fn()
    core.starve()
  end
end

describe("a shortage of memory", function()
  it("fails a connection in memory with words, or with the error of Lua's own", function()
    life.quietly(function()
      neap.run(function()
        local app, made = neap.app(), 0
        app:ws("/", {})
        local world = test.serve(app)
        sweep(120, function()
          local ok, conn, message, code = pcall(world.connect, world, "/")
          if not ok then
            assert.truthy(tostring(conn):find "out of memory", conn)
          elseif conn then
            made = made + 1
            conn:terminate()
          else
            assert.equal("string", type(message))
            assert.equal("string", type(code))
          end
        end)
        assert.is_true(made > 0 and made < 120)
        world:close()
      end)
    end)
    life.check_census()
  end)

  it("fails a neap.client in memory, which then comes back", function()
    life.quietly(function()
      neap.run(function()
        local app = neap.app()
        app:ws("/", {})
        local world = test.serve(app)
        sweep(120, function()
          local ok, client = pcall(world.client, world, "/", { reconnect = { min = 0.001 } })
          if ok then
            assert.truthy(client:wait_open(5))
            client:terminate()
          end
        end)
        world:close()
      end)
    end)
    life.check_census()
  end)

  it("never loses a reply without a word", function()
    life.quietly(function()
      neap.run(function()
        local app, closed = neap.app { deflate = false }, 0
        app:ws("/", { overflow = "drop_old", message = function(_, data) return data end })
        local world = test.serve(app)
        for after = 0, 60 do
          local conn = assert(world:connect "/")
          conn:send(("x"):rep(3000))
          core.trim()
          core.starve(after, 1)
          local data, _, code = conn:receive(10)
          assert.truthy(data or code == "closed", code)
          core.starve()
          if not data then closed = closed + 1 end
          conn:terminate()
        end
        assert.is_true(closed > 0)
        world:close()
      end)
    end)
    life.check_census()
  end)

  it("is not laid to the peer of a connection that is paused", function()
    life.quietly(function()
      neap.run(function()
        local app, causes = neap.app { deflate = false }, {}
        app:ws("/", {
          message = function(conn) conn:pause() end,
          close = function(_, why) causes[why.cause] = true end,
        })
        local world = test.serve(app)
        for after = 0, 30 do
          local conn = assert(world:connect "/")
          neap.sleep(0)
          core.trim()
          for _ = 1, 5 do conn:send(("x"):rep(1000)) end
          core.starve(after, 1)
          neap.sleep(0)
          neap.sleep(0)
          core.starve()
          conn:terminate()
          conn:wait_closed(10)
        end
        assert.is_nil(causes.protocol)
        assert.is_true(causes.error)
        world:close()
      end)
    end)
    life.check_census()
  end)
end)
