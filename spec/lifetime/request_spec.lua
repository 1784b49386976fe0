local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local socket = require "socket"

local function code_of(...)
  return (select(3, ...))
end

local function ask(world, path)
  local peer = assert(socket.connect("127.0.0.1", world:port()))
  peer:send(("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):format(path))
  peer:settimeout(0)
  return peer
end

-- All that the server sends until it closes.
local function read_all(peer)
  local text = ""
  life.wait_until(function()
    local part, err, rest = peer:receive "*a"
    text = text .. (part or rest or "")
    return err ~= "timeout"
  end, "an answer")
  peer:close()
  return text
end

local function none_live()
  life.collect()
  return core.counts().request.live == 0
end

describe("a request", function()
  it("ends with its answer, its scope too", function()
    life.run(function(world)
      local list = {}
      world.app:get("/", function(req)
        req:defer(function(why) list[#list + 1] = why.cause end)
        req:own { close = function() list[#list + 1] = "owned" end }
        req:every(60, print)
        return "done"
      end)
      assert.truthy(read_all(ask(world, "/")):find("done", 1, true))
      life.wait_until(function() return #list == 2 end)
      assert.same({ "owned", "closed" }, list)
      life.wait_until(none_live)
    end)
  end)

  it("ends with the 101: what it owned does not reach the connection", function()
    life.run(function(world)
      local ended, conn_open
      world:ws("/", {
        accept = function(req)
          req:defer(function() ended = true end)
          return true
        end,
        open = function(conn) conn_open = conn.state end,
      })
      local client = world:connect "/"
      life.wait_until(function() return ended and conn_open end)
      assert.equal("open", conn_open)
      life.wait_until(none_live)
      client:close()
      client:wait_closed(10)
    end)
  end)

  it("ends when its handler fails, with 500", function()
    life.run(function(world)
      local ended
      world.app:get("/", function(req)
        req:defer(function() ended = true end)
        neap.sleep(0.01)
        error("on purpose", 0)
      end)
      assert.truthy(read_all(ask(world, "/")):find("^HTTP/1.1 500"))
      life.wait_until(function() return ended end)
      life.wait_until(none_live)
    end)
  end)

  it("has its <close> variables closed and its hooks run when its peer resets", function()
    life.run(function(world)
      local closed, began, code, deferred
      world.app:get("/", function(req)
        req:defer(function() deferred = true end)
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        began = true
        code = code_of(neap.channel():receive())
        neap.sleep(60)
      end)
      local peer = ask(world, "/")
      life.wait_until(function() return began end)
      peer:setoption("linger", { on = true, timeout = 0 })
      peer:close()
      life.wait_until(function() return closed and deferred end)
      life.wait_until(none_live)
      assert.equal("cancelled", code)
    end)
  end)

  it("is answered with 500 when its task is ended while it waits", function()
    life.run(function(world)
      world.app:get("/", function(req)
        req:cancel "enough"
        neap.sleep(60)
        neap.sleep(60)
      end)
      assert.truthy(read_all(ask(world, "/")):find("^HTTP/1.1 500"))
      life.wait_until(none_live)
    end)
  end)

  it("answers closed once it is over, for ever", function()
    life.run(function(world)
      local kept
      world.app:get("/", function(req) kept = req; return "x" end)
      read_all(ask(world, "/"))
      life.wait_until(function() return kept:is_closed() end)
      assert.equal("closed", code_of(kept:answer(200, "", "again")))
      assert.equal("closed", code_of(kept:upgrade(core.route { settings = core.settings {} })))
      assert.equal("closed", code_of(kept:spawn(print)))
      assert.equal("closed", code_of(kept:every(1, print)))
      local ran = 0
      kept:defer(function() ran = ran + 1 end)
      kept:on_cancel(function() ran = ran + 1 end)
      kept:own { close = function() ran = ran + 1 end }
      assert.equal(3, ran)
      assert.equal("GET", kept.method)
    end)
  end)

  it("is counted closed with its answer, though the script keeps it", function()
    life.run(function(world)
      local kept
      world.app:get("/", function(req) kept = req; return "x" end)
      read_all(ask(world, "/"))
      life.wait_until(function() return core.counts().request.live == 0 end)
      assert.equal("GET", kept.method)
    end)
  end)

  it("is garbage when its handler has forgotten it", function()
    life.run(function(world)
      world.app:get("/", function(req)
        req.ctx.me = req
        req:defer(function() return req end)
        return "x"
      end)
      for _ = 1, 5 do read_all(ask(world, "/")) end
      life.wait_until(none_live)
    end)
  end)

  it("ends with a state that is closed, in whatever state", function()
    local status, output = life.die [[
      local neap = require "neap"
      local socket = require "socket"
      local app = neap.app()
      app:get("/waits", function(req)
        req:defer(print)
        local _ <close> = setmetatable({}, { __close = function() neap.sleep(1) end })
        neap.sleep(60)
      end)
      app:get("/spawns", function(req) req:spawn(neap.sleep, 60); neap.sleep(60) end)
      neap.run(function()
        local _, port = app:listen("http://127.0.0.1:0"):address()
        peers = {}
        for i, path in ipairs { "/waits", "/spawns", "/none" } do
          peers[i] = socket.connect("127.0.0.1", port)
          peers[i]:send("GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\n\r\n")
        end
        peers[4] = socket.connect("127.0.0.1", port)
        peers[4]:send "GET / HTTP/1.1\r\nHos"
        neap.sleep(0.03)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
  end)
end)
