local life = require "spec.support.life"
local neap = require "neap"

describe("neap.get", function()
  it("finds each open connection by its id, and no other", function()
    life.run(function(world)
      local conns, clients = {}, {}
      world:ws("/", { open = function(conn) conns[#conns + 1] = conn end })
      assert.is_nil((neap.get(1 << 40)))
      for i = 1, 150 do clients[i] = world:connect "/" end
      life.wait_until(function() return #conns == 150 end, "the connections")
      for _, conn in ipairs(conns) do assert.equal(conn, neap.get(conn.id)) end
      for _, client in ipairs(clients) do assert.equal(client, neap.get(client.id)) end
      for i = 1, 150, 3 do conns[i]:terminate() end
      for i, conn in ipairs(conns) do
        local found, _, code = neap.get(conn.id)
        if i % 3 == 1 then
          assert.is_nil(found)
          assert.equal("closed", code)
        else
          assert.equal(conn, found)
        end
      end
    end)
  end)

  it("takes ids alone", function()
    for _, wrong in ipairs { "1", 1.5, false } do
      assert.has_error(function() neap.get(wrong) end)
    end
  end)
end)
