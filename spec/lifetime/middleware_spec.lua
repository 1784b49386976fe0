local life = require "spec.support.life"
local neap = require "neap"

describe("the state of middleware", function()
  it("belongs to the app, and is gone with it", function()
    local limit = neap.middleware.rate_limit { requests = 1, per = 3600, of = "handshakes" }
    local function serve()
      local refused
      life.run(function(world)
        world.app:use(limit)
        world:ws("/", { message = function() end })
        world:connect "/"
        local url = ("ws://127.0.0.1:%d/"):format(world:port())
        refused = select(2, neap.connect(url))
      end)
      return refused
    end
    assert.matches("429", serve())
    assert.matches("429", serve())
  end)
end)
