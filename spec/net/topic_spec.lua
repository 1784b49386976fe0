local core = require "neap.core"
local life = require "spec.support.life"

-- A connection of a route that does nothing, and its client.
local function pair(world)
  if not world.served then
    world:ws("/", { open = function(conn) world.served = conn end })
  end
  world.served = nil
  local client = world:connect "/"
  life.wait_until(function() return world.served end, "the connection")
  local served = world.served
  world.served = true
  return served, client
end

local function reached(world, topic)
  return world.app:publish(topic, "x")
end

describe("A topic", function()
  it("is literal, whatever is in its name", function()
    life.run(function(world)
      local conn = pair(world)
      for _, name in ipairs { "rooms/#", "rooms/+", "#", "+", "" } do conn:subscribe(name) end
      assert.equal(0, reached(world, "rooms/secret"))
      assert.equal(0, reached(world, "rooms"))
      for _, name in ipairs { "rooms/#", "rooms/+", "#", "+", "" } do
        assert.equal(1, reached(world, name))
      end
    end)
  end)

  it("can be published to by a name that looks like a pattern, to no more than that", function()
    life.run(function(world)
      local conn = pair(world)
      conn:subscribe "rooms/blue"
      assert.equal(0, reached(world, "rooms/+"))
      assert.equal(0, reached(world, "rooms/#"))
    end)
  end)

  it("carries text that is UTF-8 alone", function()
    life.run(function(world)
      local conn, client = pair(world)
      conn:subscribe "all"
      local n, _, code = world.app:publish("all", "\xff")
      assert.is_nil(n)
      assert.equal("protocol", code)
      assert.equal(1, world.app:publish("all", "\xff", "binary"))
      assert.same({ "\xff", "binary" }, { client:receive(5) })
    end)
  end)

  it("knows its members after many have come and gone", function()
    life.run(function(world)
      local conn, other = pair(world), pair(world)
      for i = 1, 500 do
        conn:subscribe("a" .. i)
        if i % 3 == 0 then other:subscribe("a" .. i) end
      end
      for i = 1, 500, 2 do assert.is_true(conn:unsubscribe("a" .. i)) end
      for i = 1, 500 do
        local wanted = (i % 2 == 0 and 1 or 0) + (i % 3 == 0 and 1 or 0)
        assert.equal(wanted, reached(world, "a" .. i))
      end
      assert.equal(250, #conn:topics())
      assert.is_false(conn:unsubscribe "a1")
      other:terminate()
      life.wait_until(function() return other.state == "closed" end, "its end")
      assert.equal(0, reached(world, "a3"))
      assert.equal(1, reached(world, "a6"))
    end)
  end)

  it("loses those who leave, and nobody else, in whatever order", function()
    life.run(function(world)
      local conns, clients = {}, {}
      for i = 1, 9 do
        conns[i], clients[i] = pair(world)
        conns[i]:subscribe "a"
        conns[i]:subscribe("own/" .. i)
      end
      for left, i in ipairs { 1, 9, 2, 8, 5, 3, 7, 4 } do
        if left % 2 == 0 then conns[i]:terminate() else conns[i]:unsubscribe "a" end
        assert.equal(9 - left, reached(world, "a"))
      end
      assert.equal(1, reached(world, "own/6"))
      assert.equal("x", clients[6]:receive(5))
    end)
  end)

  it("is one of a million, which all end with their connection", function()
    local count = os.getenv "NEAP_PRELOAD" and 50000 or 1000000
    life.run(function(world)
      local conn = pair(world)
      for i = 1, count do conn:subscribe("user/" .. i) end
      local counts = core.counts()
      assert.equal(count, counts.topic.live)
      assert.equal(count, counts.subscription.live)
      assert.is_true((counts.topic.bytes + counts.subscription.bytes) / count <= 120)
      assert.equal(1, reached(world, "user/" .. count // 2))
      assert.equal(0, reached(world, "user/0"))
      conn:terminate()
      assert.equal(0, core.counts().topic.live)
      conn = pair(world)
      conn:subscribe "user/1"
      assert.equal(1, reached(world, "user/1"))
    end)
  end)
end)

describe("A pattern", function()
  local FITS = {
    ["a/+/c"] = { yes = { "a/b/c", "a//c", "a/+/c" }, no = { "a/c", "a/b/c/d", "a/b", "x/b/c" } },
    ["a/#"] = { yes = { "a", "a/", "a/b", "a/b/c", "a/#" }, no = { "ab", "b", "", "/a" } },
    ["#"] = { yes = { "", "a", "a/b", "/" }, no = {} },
    ["+"] = { yes = { "", "a", "+" }, no = { "a/b", "/" } },
    ["+/+"] = { yes = { "/", "a/b" }, no = { "a", "a/b/c" } },
    ["+/b/#"] = { yes = { "a/b", "/b", "a/b/c/d" }, no = { "b", "a/c/b" } },
    ["a/b"] = { yes = { "a/b" }, no = { "a", "a/b/", "a/c" } },
    [""] = { yes = { "" }, no = { "a", "/" } },
  }

  for pattern, fits in pairs(FITS) do
    it(("%q fits what it should, and nothing else"):format(pattern), function()
      life.run(function(world)
        local conn = pair(world)
        assert.is_true(conn:subscribe(pattern, { pattern = true }))
        for _, topic in ipairs(fits.yes) do assert.equal(1, reached(world, topic), topic) end
        for _, topic in ipairs(fits.no) do assert.equal(0, reached(world, topic), topic) end
        assert.is_true(conn:unsubscribe(pattern, { pattern = true }))
        for _, topic in ipairs(fits.yes) do assert.equal(0, reached(world, topic), topic) end
        assert.equal(0, core.counts().topic.live)
      end)
    end)
  end

  it("brings each message once, however many of them fit", function()
    life.run(function(world)
      local conn, client = pair(world)
      for _, pattern in ipairs { "a/+", "a/#", "#", "+/b" } do
        conn:subscribe(pattern, { pattern = true })
      end
      conn:subscribe "a/b"
      assert.equal(1, reached(world, "a/b"))
      assert.equal(1, world.app:publish("a/b/c", "last"))
      assert.equal("x", client:receive(5))
      assert.equal("last", client:receive(5))
    end)
  end)

  it("and a literal topic of the same name are two", function()
    life.run(function(world)
      local conn = pair(world)
      conn:subscribe "a/#"
      conn:subscribe("a/#", { pattern = true })
      assert.same({ { "a/#" }, { "a/#" } }, { conn:topics() })
      assert.is_true(conn:unsubscribe "a/#")
      assert.same({ {}, { "a/#" } }, { conn:topics() })
      assert.equal(1, reached(world, "a/b"))
    end)
  end)

  it("leaves its neighbours when it goes", function()
    life.run(function(world)
      local conn = pair(world)
      local patterns = { "a/b/+", "a/b/#", "a/+/c", "a/+/d", "+/b/c" }
      for _, pattern in ipairs(patterns) do conn:subscribe(pattern, { pattern = true }) end
      for i, pattern in ipairs(patterns) do
        conn:unsubscribe(pattern, { pattern = true })
        assert.equal(i < #patterns and 1 or 0, reached(world, "a/b/c") + reached(world, "a/z/d")
          - (i <= 3 and 1 or 0))
      end
    end)
  end)

  it("that is none is refused, with what to write", function()
    life.run(function(world)
      local conn = pair(world)
      for pattern, message in pairs {
        ["a/#/c"] = "# is the last level",
        ["a/b#"] = "levels by themselves",
        ["a/+b"] = "levels by themselves",
        [("a/"):rep(70)] = "at most 64 levels",
      } do
        assert.error_matches(function() conn:subscribe(pattern, { pattern = true }) end, message)
      end
      assert.error_matches(function() conn:subscribe("a", { patern = true }) end,
        "unknown option patern")
      assert.same({ {}, {} }, { conn:topics() })
    end)
  end)

  it("outlives those that are lost while it is published to", function()
    life.run(function(world)
      local conns, clients = {}, {}
      world:ws("/", {
        deflate = { takeover = true, min = 0 }, -- each is sent a message of its own
        open = function(conn) conns[#conns + 1] = conn end,
      })
      for i = 1, 3 do clients[i] = world:connect("/", { deflate = { takeover = true } }) end
      life.wait_until(function() return #conns == 3 end, "the connections")
      for _, conn in ipairs(conns) do conn:subscribe("#", { pattern = true }) end
      conns[1]:subscribe("a/#", { pattern = true })
      for _, client in ipairs(clients) do client:terminate() end
      world.app:publish("a/x", ("tide "):rep(100))
      world.app:publish("a/x", ("wind "):rep(100))
      life.wait_until(function() return conns[1].state == "closed" end, "the end")
      assert.equal(0, world.app:publish("a/x", "nobody"))
    end)
  end)

  it("is left at the close, like any topic", function()
    life.run(function(world)
      local conn = pair(world)
      for i = 1, 300 do conn:subscribe(("a/%d/+"):format(i), { pattern = true }) end
      assert.equal(300, core.counts().topic.live)
      assert.equal(1, reached(world, "a/299/x"))
      conn:terminate()
      assert.equal(0, core.counts().topic.live)
    end)
  end)
end)
