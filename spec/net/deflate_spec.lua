-- permessage-deflate on sockets: what is agreed on, what is compressed, what a
-- publish shares, and what a bomb costs.
local codec = require("neap.core").codec
local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local decode = require "spec.support.inflate"
local ws = require "spec.support.ws"

local OFFER = "Sec-WebSocket-Extensions: permessage-deflate"
local TEXT = ("a line that compresses well; "):rep(100)

-- A raw peer of a world's route, so that what is on the wire can be seen. The
-- loop has to turn while it waits.
local function raw_peer(world, path, offer)
  local peer = ws.dial(world:port())
  peer.tcp:settimeout(0)
  local got = ""
  peer:raw(ws.head(world:port(), path, { offer }))
  local function pull(enough)
    life.wait_until(function()
      local bytes, _, part = peer.tcp:receive(65536)
      got = got .. (bytes or part or "")
      return enough()
    end, "bytes")
  end
  pull(function() return got:find("\r\n\r\n", 1, true) end)
  local head, rest = got:match "^(.-\r\n\r\n)(.*)$"
  got = rest
  local function next_frame()
    local frame, size
    pull(function()
      frame, size = codec.read_frame(got)
      return frame and #got >= size + frame.length
    end)
    frame.data = got:sub(size + 1, size + frame.length)
    got = got:sub(size + frame.length + 1)
    return frame
  end
  return { head = head, raw = function(_, bytes) peer:raw(bytes) end, frame = next_frame,
    close = function() peer:close() end }
end

local function inflate(data, terms)
  local session <close> = codec.session { role = "client", deflate = terms or {} }
  session:feed(codec.frame { opcode = 1, rsv = 4, data = data })
  return assert(session:next()).data
end

local function serve(world, options)
  world:ws("/", { deflate = options, message = function(conn, data)
    if data == "room" then
      conn:subscribe "room"
      return "in"
    elseif data == "plain" then
      assert(conn:send(TEXT, "text", { compress = false }))
    elseif data == "short" then
      conn:send(TEXT:sub(1, 511))
      conn:send(TEXT:sub(1, 512))
    elseif data == "random" then
      local bytes = {}
      for i = 1, 2000 do bytes[i] = string.char(math.random(0, 255)) end
      conn:send(table.concat(bytes), "binary")
    else
      conn:send(TEXT)
    end
  end })
end

describe("a server", function()
  it("agrees to what it is offered, and says so", function()
    life.run(function(world)
      serve(world)
      local peer = raw_peer(world, "/", OFFER)
      assert.truthy(peer.head:find("\r\nSec-WebSocket-Extensions: permessage-deflate; "
        .. "server_no_context_takeover; client_no_context_takeover\r\n", 1, true))
      peer:raw(ws.frame { opcode = 1, payload = "x" })
      local frame = peer:frame()
      assert.same({ 4, true, 1 }, { frame.rsv, frame.fin, frame.opcode })
      assert.is_true(frame.length < 100)
      assert.equal(TEXT, inflate(frame.data))
      peer:close()
    end)
  end)

  it("compresses nothing without an offer, or with deflate = false", function()
    life.run(function(world)
      serve(world)
      world:ws("/off", { deflate = false, message = function() return TEXT end })
      for path, offer in pairs { ["/"] = "X-Other: 1", ["/off"] = OFFER } do
        local peer = raw_peer(world, path, offer)
        assert.is_nil(peer.head:find("Sec-WebSocket-Extensions", 1, true))
        peer:raw(ws.frame { opcode = 1, payload = "x" })
        local frame = peer:frame()
        assert.same({ 0, TEXT }, { frame.rsv, frame.data })
        peer:close()
      end
    end)
  end)

  it("answers a malformed offer with 400", function()
    life.run(function(world)
      serve(world)
      local peer = raw_peer(world, "/", OFFER .. ";")
      assert.truthy(peer.head:find "^HTTP/1.1 400 ")
      peer:close()
    end)
  end)

  it("leaves as it is what is short, what would grow, and what the script says", function()
    life.run(function(world)
      serve(world)
      local peer = raw_peer(world, "/", OFFER)
      for _, word in ipairs { "plain", "random", "short" } do
        peer:raw(ws.frame { opcode = 1, payload = word })
        assert.equal(0, peer:frame().rsv, word)
      end
      assert.equal(4, peer:frame().rsv) -- 512 bytes are not short
      peer:close()
    end)
  end)
end)

describe("a publish", function()
  it("gives each subscriber the form that it agreed to", function()
    life.run(function(world)
      serve(world)
      world:ws("/over", { deflate = { takeover = true }, open = function(conn)
        conn:subscribe "room"
      end })
      world:ws("/drop", { deflate = { takeover = true }, open = function(conn)
        conn:subscribe("room", { overflow = "drop_old" })
      end })
      local peers, words = {}, {}
      for i = 1, 1000 do words[i] = "word" .. i * i % 97 end
      local text = table.concat(words, " ")
      for _, bits in ipairs { 0, 15, 8, 15, 9, 10, 11, 12 } do -- 0: none are offered
        local offer = OFFER .. "; server_max_window_bits=" .. bits
        local peer = raw_peer(world, "/", bits > 0 and offer or "X-Other: 1")
        peer.bits = bits
        peer:raw(ws.frame { opcode = 1, payload = "room" })
        assert.equal("in", peer:frame().data)
        peers[#peers + 1] = peer
      end
      local over, drop = raw_peer(world, "/over", OFFER), raw_peer(world, "/drop", OFFER)
      life.wait_until(function() return core.counts().subscription.live == #peers + 2 end)
      local context <close> = codec.session {
        role = "client", deflate = { receive_takeover = true } }
      local size
      for _ = 1, 3 do
        assert.equal(#peers + 2, world.app:publish("room", text))
        for _, peer in ipairs(peers) do
          local frame = peer:frame()
          if peer.bits == 0 then
            assert.same({ 0, text }, { frame.rsv, frame.data })
          else
            local data, about = decode(frame.data)
            assert.same({ 4, text }, { frame.rsv, data })
            assert.is_true(about.farthest <= 1 << peer.bits)
          end
        end
        local frame = over:frame()
        assert.equal(4, frame.rsv)
        assert.is_true(size == nil or frame.length < size, "the context is not taken over")
        size = size or frame.length
        context:feed(codec.frame { opcode = 1, rsv = 4, data = frame.data })
        assert.equal(text, context:next().data)
        assert.is_nil(context:next())
        frame = drop:frame()
        assert.same({ 0, text }, { frame.rsv, frame.data }) -- it may be dropped
      end
      for _, peer in ipairs(peers) do peer:close() end
      over:close()
      drop:close()
    end)
  end)

  it("from a client is masked, and compressed by itself", function()
    life.run(function(world)
      local got
      world:ws("/", { message = function(_, data) got = data end })
      local client = world:connect "/"
      client:subscribe "room"
      assert.equal(1, world.app:publish("room", TEXT))
      life.wait_until(function() return got end)
      assert.equal(TEXT, got)
    end)
  end)
end)

describe("a message limit", function()
  local function bomb(size)
    local session <close> = codec.session { role = "client", deflate = {} }
    session:send(("\0"):rep(size), "binary")
    return session:output()
  end

  it("counts what is inflated", function()
    life.run(function(world)
      local got, why
      world:ws("/", { limits = { message = 100000 }, message = function(_, data) got = #data end,
        close = function(_, w) why = w end })
      local peer = raw_peer(world, "/", OFFER)
      peer:raw(bomb(100000))
      life.wait_until(function() return got end)
      assert.equal(100000, got)
      peer:raw(bomb(100001))
      local frame = peer:frame()
      assert.same({ 8, 1009 }, { frame.opcode, (string.unpack(">I2", frame.data)) })
      peer:close()
      life.wait_until(function() return why end)
      assert.equal("too_big", why.cause)
    end)
  end)

  it("holds a bomb of a thousand times its size to the limit and little more", function()
    life.run(function(world)
      world:ws("/", { limits = { message = "1M" }, message = function() end })
      local peer = raw_peer(world, "/", OFFER)
      local frame = bomb(64 * 1024 * 1024)
      assert.is_true(#frame < 128 * 1024, #frame)
      local before, most = core.audit().bytes, 0
      neap.spawn(function()
        for at = 1, #frame, 1000 do
          peer:raw(frame:sub(at, at + 999))
          most = math.max(most, core.audit().bytes - before)
          neap.sleep(0)
        end
      end)
      local answer = peer:frame()
      assert.equal(1009, (string.unpack(">I2", answer.data)))
      assert.is_true(most < 1024 * 1024 + 256 * 1024, most)
      peer:close()
    end)
  end)
end)
