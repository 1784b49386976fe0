local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local function live()
  local counts = core.counts()
  return counts.subscription.live, counts.topic.live
end

-- A route whose connections subscribe to the topics that they are sent.
local function serve(world)
  world:ws("/", { message = function(conn, data)
    if data:sub(1, 1) == "-" then
      conn:unsubscribe(data:sub(2))
    else
      conn:subscribe(data)
    end
    return data
  end })
end

local function subscribed(world, ...)
  local client = world:connect "/"
  for _, topic in ipairs { ... } do
    client:send(topic)
    assert.equal(topic, client:receive(10))
  end
  return client
end

describe("a subscription", function()
  it("ends at unsubscribe, the topic with its last one", function()
    life.run(function(world)
      serve(world)
      local one = subscribed(world, "a", "b", "a")
      local two = subscribed(world, "a")
      assert.same({ 3, 2 }, { live() })
      one:send "-a"
      one:receive(10)
      one:send "-a"
      one:receive(10)
      assert.same({ 2, 2 }, { live() })
      two:send "-a"
      two:receive(10)
      assert.same({ 1, 1 }, { live() })
      one:close()
      two:close()
      life.wait_until(function() return live() == 0 end)
    end)
  end)

  for name, ending in pairs {
    closes = function(client) client:close() end,
    vanishes = function(client) client:terminate() end,
  } do
    it("ends when its connection " .. name, function()
      life.run(function(world)
        serve(world)
        local client = subscribed(world, "a", "b")
        ending(client)
        life.wait_until(function() return live() == 0 end)
        assert.same({ 0, 0 }, { live() })
        assert.equal(0, world.app:publish("a", "x"))
      end)
    end)
  end

  it("ends when a <close> variable closes its connection", function()
    life.run(function(world)
      world:ws("/", function(conn)
        local _ <close> = conn
        conn:subscribe "a"
        conn:receive()
      end)
      local client = world:connect "/"
      life.wait_until(function() return live() == 1 end)
      client:send "x"
      client:wait_closed(10)
      life.wait_until(function() return live() == 0 end)
    end)
  end)

  it("does not keep a detached connection that the script drops", function()
    life.run(function(world)
      world:ws("/", { open = function(conn)
        conn:subscribe "a"
        conn:detach()
      end })
      local client = world:connect "/"
      life.wait_until(function() life.collect(); return live() == 0 end)
      client:wait_closed(10)
    end)
  end)

  it("answers closed on a closed connection, and makes no topic", function()
    life.run(function(world)
      local answer
      world:ws("/", { close = function(conn)
        answer = { conn:subscribe "a" }
        answer[4] = select(3, conn:unsubscribe "a")
        answer[5] = select(3, conn:topics())
      end })
      world:connect("/"):close()
      life.wait_until(function() return answer end)
      assert.same({ "closed", "closed", "closed" }, { answer[3], answer[4], answer[5] })
      assert.same({ 0, 0 }, { live() })
    end)
  end)

  it("is gone before the close callback, for others that publish too", function()
    life.run(function(world)
      local reached
      world:ws("/", {
        open = function(conn) conn:subscribe "a" end,
        close = function() reached = world.app.publish(nil, "a", "x") end,
      })
      local client = world:connect "/"
      life.wait_until(function() return live() == 1 end)
      client:close()
      life.wait_until(function() return reached end)
      assert.equal(0, reached)
      world.app.routes[1].core:close()
    end)
  end)

  it("ends with a state that is closed", function()
    local status, output = life.die [[
      local neap = require "neap"
      local app = neap.app()
      app:ws("/", { open = function(conn) conn:subscribe "a"; conn:subscribe "b" end })
      neap.run(function()
        local _, port = app:listen("http://127.0.0.1:0"):address()
        kept = { neap.connect("ws://127.0.0.1:" .. port), neap.connect("ws://127.0.0.1:" .. port) }
        neap.sleep(0.01)
        app:publish("a", ("x"):rep(100000))
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
  end)
end)

describe("neap.publish to oneself", function()
  it("while leaving in the same callback upsets nothing", function()
    life.run(function(world)
      world:ws("/", { message = function(conn)
        conn:subscribe "a"
        conn:publish("a", "to others")
        conn:unsubscribe "a"
        conn:close()
        conn:subscribe "a"
      end })
      local client = world:connect "/"
      client:send "x"
      client:wait_closed(10)
      life.wait_until(function() return live() == 0 end)
      neap.sleep(0)
    end)
  end)
end)
