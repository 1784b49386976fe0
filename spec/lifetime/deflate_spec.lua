-- Compression contexts: whose they are, and that none outlives its connection.
local codec = require("neap.core").codec
local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local ws = require "spec.support.ws"

local TEXT = ("a line that compresses well; "):rep(100)
local TAKEOVER = { takeover = true }

local function live()
  local counts = core.counts()
  return counts.deflate.live, counts.inflate.live
end

local function bytes()
  local counts = core.counts()
  return counts.deflate.bytes, counts.inflate.bytes
end

-- An echo, both sides with these options; returns the client.
local function echo(world, options, more)
  local route = { deflate = options, message = function(_, data) return data end }
  for name, value in pairs(more or {}) do route[name] = value end
  world:ws("/", route)
  local client = world:connect("/", { deflate = options })
  assert(client:send(TEXT))
  assert.equal(TEXT, client:receive(5))
  return client
end

local function both_gone()
  local deflate, inflate = live()
  return deflate == 0 and inflate == 0
end

describe("contexts that are not taken over", function()
  it("are no connection's: an idle one holds none", function()
    life.run(function(world)
      echo(world, {})
      assert.same({ 0, 0 }, { live() })
    end)
  end)

  for _, case in ipairs { { "a few pieces", 3 }, { "single bytes", 1 } } do
    it("are lent to a message that comes in " .. case[1] .. ", until its end", function()
      life.run(function(world)
        local got
        world:ws("/", { message = function(_, data) got = data end })
        local peer <close> = ws.dial(world:port())
        peer:raw(ws.head(world:port(), "/", { "Sec-WebSocket-Extensions: permessage-deflate" }))
        life.wait_until(function() return core.counts().conn.live == 1 end)
        local session <close> = codec.session { role = "client", deflate = {} }
        session:send(TEXT)
        local frame = session:output()
        for at = 1, #frame - 1, case[2] do
          peer:raw(frame:sub(at, math.min(at + case[2] - 1, #frame - 1)))
          neap.sleep(0)
        end
        life.wait_until(function() return select(2, live()) == 1 end)
        assert.is_true(select(2, bytes()) >= 32768 + 7000)
        peer:raw(frame:sub(-1))
        life.wait_until(function() return got end)
        assert.equal(TEXT, got)
        assert.same({ 0, 0 }, { live() })
      end)
    end)
  end

  it("come back from a connection that ends inside a message", function()
    life.run(function(world)
      world:ws("/", { message = function() end })
      local peer <close> = ws.dial(world:port())
      peer:raw(ws.head(world:port(), "/", { "Sec-WebSocket-Extensions: permessage-deflate" }))
      life.wait_until(function() return core.counts().conn.live == 1 end)
      peer:raw(ws.frame { opcode = ws.TEXT, rsv = 4, fin = false, payload = "\xf2\x48" })
      life.wait_until(function() return select(2, live()) == 1 end)
      peer:close(true)
      life.wait_until(both_gone)
    end)
  end)
end)

describe("contexts that are taken over", function()
  it("are counted with their bytes, at both ends", function()
    life.run(function(world)
      echo(world, TAKEOVER)
      assert.same({ 2, 2 }, { live() })
      local deflate, inflate = bytes()
      assert.is_true(deflate > 2 * 256 * 1024 and deflate < 2 * 300 * 1024, deflate)
      assert.is_true(inflate > 2 * 32 * 1024 and inflate < 2 * 48 * 1024, inflate)
    end)
  end)

  it("are smaller with a smaller window", function()
    life.run(function(world)
      echo(world, { takeover = true, window = 10 })
      local deflate, inflate = bytes()
      assert.is_true(deflate < 2 * 30 * 1024, deflate)
      assert.is_true(inflate < 2 * 10 * 1024, inflate)
    end)
  end)

  for name, ending in pairs {
    closes = function(client) client:close() end,
    vanishes = function(client) client:terminate() end,
  } do
    it("go when the connection " .. name, function()
      life.run(function(world)
        local client = echo(world, TAKEOVER)
        assert.same({ 2, 2 }, { live() })
        ending(client)
        life.wait_until(both_gone)
        assert.same({ 0, 0 }, { bytes() })
      end)
    end)
  end

  it("go when a <close> variable closes it", function()
    life.run(function(world)
      do
        local client <close> = echo(world, TAKEOVER)
        assert.equal("open", client.state)
      end
      life.wait_until(both_gone)
    end)
  end)

  it("go with a connection that is dropped", function()
    life.run(function(world)
      life.forget(function() echo(world, TAKEOVER) end)
      life.wait_until(function() life.collect(); return both_gone() end)
    end)
  end)

  it("go with a connection that a task waits for", function()
    life.run(function(world)
      local client = echo(world, TAKEOVER)
      local answer
      neap.spawn(function() answer = { client:receive() } end)
      neap.sleep(0)
      client:terminate()
      life.wait_until(both_gone)
      life.wait_until(function() return answer end)
      assert.equal("closed", answer[3])
    end)
  end)

  it("are not made again by what is sent after the close", function()
    life.run(function(world)
      local client = echo(world, TAKEOVER)
      client:close()
      assert.equal("closed", (select(3, client:send(TEXT))))
      life.wait_until(both_gone)
      assert.equal("closed", (select(3, client:send(TEXT))))
      assert.same({ 0, 0 }, { live() })
    end)
  end)

  it("end with a state that is closed", function()
    local status, output = life.die [[
      local neap = require "neap"
      local app = neap.app { deflate = { takeover = true, idle = 5 } }
      app:ws("/", { message = function(_, data) return data end })
      neap.run(function()
        local _, port = app:listen("http://127.0.0.1:0"):address()
        kept = neap.connect("ws://127.0.0.1:" .. port, { deflate = { takeover = true } })
        kept:send(("x"):rep(5000))
        kept:receive()
        local counts = neap.census().classes
        assert(counts.deflate.live == 2 and counts.inflate.live == 2)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
  end)
end)

-- What ends the server's connection: a raw peer, or the server itself.
local HELLO = "\xf2\x48\xcd\xc9\xc9\x07\x00" -- of RFC 7692
local CAUSES = {
  closed = function(peer) peer:send_close(1000) end,
  eof = function(peer) peer.tcp:shutdown "send" end,
  reset = function(peer) peer:close(true) end,
  protocol = function(peer) peer:raw(ws.frame { opcode = 1, rsv = 2, payload = "" }) end,
  too_big = function(peer) peer:raw(ws.frame { opcode = 2, payload = ("x"):rep(10001) }) end,
  error = function(peer) peer:send "fail" end,
  overflow = function(peer) peer:send "flood" end,
  killed = function(peer) peer:send "kill" end,
  idle = function() core.advance(100) end,
  drain = function(peer) peer:send "drain" end,
}

local function take(conn, data)
  if data == "fail" then error "on purpose" end
  if data == "kill" then return conn:terminate() end
  if data == "drain" then return core.close_as(conn, "drain", 1001) end
  for _ = 1, data == "flood" and 4000 or 1 do
    conn:send(("%s %f"):format(TEXT, math.random()), "text", { compress = data ~= "flood" })
  end
end

describe("contexts that are taken over, of a server,", function()
  for cause, act in pairs(CAUSES) do
    it("go when the cause is " .. cause, function()
      life.run(function(world)
        local why
        world:ws("/", {
          deflate = TAKEOVER, limits = { message = 10000, queue = 20000 }, message = take,
          timeouts = { idle = 50, ping = 0, close = 1 }, close = function(_, w) why = w end,
        })
        local peer <close> = ws.dial(world:port())
        peer:raw(ws.head(world:port(), "/", { "Sec-WebSocket-Extensions: permessage-deflate" }))
        life.wait_until(function() return core.counts().conn.live == 1 end)
        peer:raw(ws.frame { opcode = 1, rsv = 4, payload = HELLO })
        life.wait_until(function() return live() == 1 and select(2, live()) == 1 end)
        act(peer)
        life.wait_until(both_gone)
        assert.same({ 0, 0 }, { bytes() })
        peer:close(true)
        life.wait_until(function() return why end)
        assert.equal(cause, why.cause)
      end)
    end)
  end
end)

describe("a sender's context", function()
  it("is given up when it lies unused, and made again", function()
    life.run(function(world)
      local client = echo(world, { takeover = true, idle = 5 })
      assert.same({ 2, 2 }, { live() })
      core.advance(6)
      life.wait_until(function() return live() == 0 end)
      assert.same({ 0, 2 }, { live() })
      for _ = 1, 3 do
        client:send(TEXT)
        assert.equal(TEXT, client:receive(5))
      end
      assert.same({ 2, 2 }, { live() })
      core.advance(6)
      life.wait_until(function() return live() == 0 end)
    end)
  end)

  it("is not given up while it is used", function()
    life.run(function(world)
      local client = echo(world, { takeover = true, idle = 2 })
      local opened = core.counts().deflate.opened
      for _ = 1, 10 do
        core.advance(1)
        neap.sleep(0)
        client:send(TEXT)
        assert.equal(TEXT, client:receive(5))
      end
      assert.equal(opened, core.counts().deflate.opened)
    end)
  end)

  it("stays out of what the queue may drop", function()
    life.run(function(world)
      for _, policy in ipairs { "drop_old", "latest" } do
        world:ws("/" .. policy, { overflow = policy, deflate = TAKEOVER,
          message = function(_, data) return data end })
      end
      for _, policy in ipairs { "drop_old", "latest" } do
        local client = world:connect("/" .. policy, { deflate = TAKEOVER })
        client:send(TEXT)
        assert.equal(TEXT, client:receive(5))
        assert.same({ 1, 1 }, { live() }) -- the client's, and what the server remembers of it
        client:close()
        life.wait_until(both_gone)
      end
    end)
  end)
end)
