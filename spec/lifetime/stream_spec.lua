-- Bodies that are waited for, answers in parts and events: each ends with its request,
-- whatever ends that.
local core = require "neap.core"
local http = require "spec.support.http"
local life = require "spec.support.life"
local neap = require "neap"

local function code_of(...)
  return (select(3, ...))
end

local function post(length)
  return ("POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    .. "Content-Length: %d\r\n\r\nabc"):format(length)
end

local GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

-- What is logged on purpose.
local function be_quiet()
  require("neap.log").configure { write = function() end }
end

local function open(world, bytes)
  local peer = http.connect(world:port(), 0)
  peer:send(bytes)
  return peer
end

local function reset(peer)
  peer.tcp:setoption("linger", { on = true, timeout = 0 })
  peer:close()
end

local function none_live()
  life.collect()
  return core.counts().request.live == 0
end

local function read_end(peer)
  local text = ""
  life.wait_until(function()
    local part, err, rest = peer.tcp:receive "*a"
    text = text .. (part or rest or "")
    return err ~= "timeout"
  end, "the end")
  peer:close()
  return text
end

-- What a handler does while its request is cut short; `begun` is called before it waits.
local waits = {
  ["a body"] = { bytes = post(10), wait = function(req, begun)
    assert(req:read())
    begun()
    return code_of(req:read())
  end },
  ["room for a stream"] = { bytes = GET, wait = function(req, begun)
    local out = req:stream()
    begun()
    local ok, _, code
    repeat ok, _, code = out:write(("x"):rep(100000)) until not ok
    return code
  end },
  ["the end of events"] = { bytes = GET, wait = function(req, begun)
    local events = req:events()
    events:send "x"
    begun()
    return events:wait_closed() and code_of(events:send "y")
  end },
}

for what, case in pairs(waits) do
  describe("a request that waits for " .. what, function()
    -- Serves it with what `around` adds, and returns what was seen of its end.
    local function serve(world, around)
      local seen = {}
      be_quiet()
      world.app:any("/", function(req)
        req:defer(function() seen.deferred = true end)
        local _ <close> = setmetatable({}, { __close = function() seen.closed = true end })
        if around then around(req, seen) end
        seen.code = case.wait(req, function() seen.begun = true end)
      end)
      return seen
    end

    local function wait_for_end(seen)
      life.wait_until(function() return seen.deferred and seen.closed end, "its end")
      life.wait_until(none_live, "the request")
    end

    it("is told when its client resets", function()
      life.run(function(world)
        local seen = serve(world)
        local peer = open(world, case.bytes)
        life.wait_until(function() return seen.begun end)
        neap.sleep(0.02)
        reset(peer)
        wait_for_end(seen)
        assert.equal("closed", seen.code)
      end)
    end)

    it("ends when its scope is cancelled", function()
      life.run(function(world)
        local seen = serve(world, function(req) req:after(0.05, function() req:cancel "no" end) end)
        local peer = open(world, case.bytes)
        wait_for_end(seen)
        local text = read_end(peer)
        if what == "room for a stream" then assert.is_nil(text:find "0\r\n\r\n$") end
      end)
    end)

    it("ends with the app, and with its listener", function()
      life.run(function(world)
        local seen = serve(world)
        local peer = open(world, case.bytes)
        life.wait_until(function() return seen.begun end)
        world.listener:close()
        world.app.scope:close()
        wait_for_end(seen)
        read_end(peer)
      end)
    end)

    it("ends when another task of it fails", function()
      life.run(function(world)
        be_quiet()
        local seen = serve(world, function(req, own)
          req:spawn(function()
            while not own.begun do neap.sleep(0) end
            req.scope:close()
          end)
        end)
        local peer = open(world, case.bytes)
        wait_for_end(seen)
        read_end(peer)
      end)
    end)

    it("ends with a state that is closed", function()
      local status, output = life.die(([[
        local http = require "spec.support.http"
        local neap = require "neap"
        local app = neap.app()
        app:post("/", function(req) req:read() req:read() end)
        app:get("/", function(req)
          if %q == "the end of events" then
            return req:events(function(events) events:wait_closed() end)
          end
          return req:stream(function(out) while true do out:write(("x"):rep(100000)) end end)
        end)
        neap.run(function()
          local _, port = app:listen("http://127.0.0.1:0"):address()
          peer = http.connect(port)
          peer:send(%q)
          neap.sleep(0.05)
          os.exit(0, true)
        end)
      ]]):format(what, case.bytes))
      assert.equal(0, status, output)
      assert.is_nil(output:find "Sanitizer", output)
    end)
  end)
end

describe("a stream, and events", function()
  for _, kind in ipairs { "stream", "events" } do
    it("end once, explicitly, and answer closed ever after: " .. kind, function()
      life.run(function(world)
        local kept, codes = nil, {}
        world.app:get("/", function(req)
          kept = req[kind](req)
          kept:close()
          kept:close()
          local act = kept.write or kept.send
          codes[1] = code_of(act(kept, "x"))
        end)
        assert.equal(200, (world:ask "/"))
        codes[2] = code_of((kept.write or kept.send)(kept, "x"))
        assert.same({ "closed", "closed" }, codes)
        assert.matches("closed", tostring(kept))
      end)
    end)

    it("end with <close>: " .. kind, function()
      life.run(function(world)
        world.app:get("/", function(req)
          do local _ <close> = req[kind](req) end
          neap.sleep(0.01)
        end)
        local status, body = world:ask "/"
        assert.same({ 200, "0\r\n\r\n" }, { status, body })
      end)
    end)

    it("are garbage when a handler drops them for another answer: " .. kind, function()
      life.run(function(world)
        world.app:get("/", function(req)
          life.forget(req[kind], req)
          return "other"
        end)
        local status, body = world:ask "/"
        assert.same({ 200, "other" }, { status, body })
      end)
    end)
  end

  it("are cut off with <close> and an error", function()
    life.run(function(world)
      be_quiet()
      world.app:get("/", function(req)
        local out <close> = req:stream()
        out:write "half"
        error "on purpose"
      end)
      local _, body = world:ask "/"
      assert.is_nil(body and body:find("0\r\n\r\n", 1, true))
    end)
  end)
end)
