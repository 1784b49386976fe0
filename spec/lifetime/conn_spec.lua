local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

local function closed_answer(...)
  return select("#", ...) == 3 and (select(3, ...)) or "no failure"
end

describe("a server's connection", function()
  it("ends at close, and closing again is harmless", function()
    life.run(function(world)
      local why
      world:ws("/", {
        open = function(conn)
          conn:close(4000, "enough")
          conn:close(4001)
        end,
        close = function(_, how) why = how end,
      })
      local client = world:connect "/"
      local heard = client:wait_closed(10)
      life.wait_until(function() return why end)
      assert.same({ "closed", 4000, "enough", true, "local" },
        { why.cause, why.code, why.reason, why.clean, why.by })
      assert.same({ "closed", 4000, "enough", true, "peer" },
        { heard.cause, heard.code, heard.reason, heard.clean, heard.by })
    end)
  end)

  it("ends with the task's return, and with its error", function()
    life.run(function(world)
      world:ws("/return", function() end)
      world:ws("/error", function() error "oops" end)
      assert.equal(1000, world:connect("/return"):wait_closed(10).code)
      assert.equal(1011, world:connect("/error"):wait_closed(10).code)
    end)
  end)

  it("ends with a <close> variable of its handler", function()
    life.run(function(world)
      world:ws("/", {
        open = function(conn) local mine <close> = conn; mine:send "hello" end,
      })
      local client = world:connect "/"
      assert.equal("hello", client:receive(10))
      assert.equal(1000, client:wait_closed(10).code)
    end)
  end)

  it("lives on when the script forgets it, for its route still serves it", function()
    life.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local client = world:connect "/"
      life.collect()
      assert(client:send "still there?")
      assert.equal("still there?", client:receive(10))
    end)
  end)

  it("wakes the task that waits on it when its peer vanishes", function()
    life.run(function(world)
      local answer, cause
      world:ws("/", function(conn)
        conn:defer(function(why) cause = why.cause end)
        answer = closed_answer(conn:receive())
      end)
      world:connect("/"):terminate()
      life.wait_until(function() return cause end)
      assert.equal("closed", answer)
      assert.is_true(cause == "reset" or cause == "eof")
    end)
  end)

  it("answers closed to every method, for ever", function()
    life.run(function(world)
      local kept
      world:ws("/", { message = function(conn) kept = conn; conn:terminate() end })
      local client = world:connect "/"
      client:send "drop me"
      client:wait_closed(10)
      life.wait_until(function() return kept and kept.state == "closed" end)
      for _, name in ipairs { "send", "text", "binary" } do
        assert.equal("closed", closed_answer(kept[name](kept, "a")), name)
      end
      assert.equal("closed", closed_answer(kept:publish("topic", "a")))
      for _, name in ipairs { "pause", "resume", "receive", "ping", "buffered", "topics" } do
        assert.equal("closed", closed_answer(kept[name](kept)), name)
      end
      assert.equal("closed", closed_answer(kept:subscribe "a"))
      assert.equal("closed", closed_answer(kept:spawn(function() end)))
      assert.equal("closed", closed_answer(kept:after(1, function() end)))
      assert.equal("closed", closed_answer(kept:unsubscribe "a"))
      assert.equal("closed", closed_answer(kept:detach()))
      kept:close()
      kept:terminate()
      local ran = 0
      kept:defer(function() ran = ran + 1 end)
      kept:on_cancel(function() ran = ran + 1 end)
      assert.equal(2, ran)
    end)
  end)

  it("tells in close what it was, when the transport is gone", function()
    life.run(function(world)
      local told
      world:ws("/", { close = function(conn, why)
        told = { conn.state, conn.remote, conn.id > 0, why.received, why.sent, conn:send "x" }
      end, message = function() return "reply" end })
      local client = world:connect "/"
      client:send "one"
      client:receive(10)
      client:close()
      client:wait_closed(10)
      life.wait_until(function() return told end)
      assert.equal("closed", told[1])
      assert.truthy(told[2]:find "^127%.0%.0%.1:%d+$")
      assert.same({ true, 1, 1 }, { told[3], told[4], told[5] })
      assert.is_nil(told[6])
    end)
  end)
end)

describe("a close that asks for what can't be sent", function()
  local function heard(code, reason)
    local why
    life.run(function(world)
      world:ws("/", { open = function(conn) conn:close(code, reason) end })
      why = world:connect("/"):wait_closed(10)
    end)
    return { why.cause, why.code, why.reason }
  end

  it("still closes", function()
    assert.same({ "closed", 1011, "" }, heard(1006))
    assert.same({ "closed", 1005, "" }, heard(1005, "no code, no reason"))
    assert.same({ "closed", 1011, "" }, heard(70000))
    assert.same({ "closed", 4000, "" }, heard(4000, "\255"))
    assert.same({ "closed", 4000, ("é"):rep(61) }, heard(4000, ("é"):rep(80)))
  end)
end)

describe("a detached connection", function()
  it("outlives its handler's return, and ends with the scope it went to", function()
    life.run(function(world)
      local kept, other = nil, neap.scope { label = "other" }
      world:ws("/", function(conn) kept = conn; assert(conn:detach(other)) end)
      local client = world:connect "/"
      life.wait_until(function() return kept end)
      neap.sleep(0.02)
      assert.equal("open", kept.state)
      assert(kept:send "still here")
      assert.equal("still here", client:receive(10))
      other:close()
      assert.equal(1000, client:wait_closed(10).code)
    end)
  end)

  it("is closed and counted as abandoned when the script drops it", function()
    life.run(function(world)
      world:ws("/", function(conn) conn:every(10, function() conn:send "x" end); conn:detach() end)
      local before, client = core.abandoned(), world:connect "/"
      life.wait_until(function() life.collect(); return client.state == "closed" end)
      assert.equal(1001, client:wait_closed().code)
      assert.equal(before + 1, core.abandoned())
    end)
  end)
end)

describe("a client's connection", function()
  local function echo(world)
    world:ws("/", { message = function(_, data) return data end })
  end

  it("is closed and counted as abandoned when the script drops it", function()
    life.run(function(world)
      local cause
      world:ws("/", { close = function(_, why) cause = why.code end })
      local before = core.abandoned()
      life.forget(function() world:connect "/" end)
      life.wait_until(function() life.collect(); return cause end, "the close")
      assert.equal(1001, cause)
      assert.equal(before + 1, core.abandoned())
    end)
  end)

  it("is garbage though its own timer, hook and task mention it", function()
    life.run(function(world)
      local code
      world:ws("/", { close = function(_, why) code = why.code end })
      life.forget(function()
        local conn = world:connect "/"
        conn:every(10, function() conn:send "tick" end)
        conn:defer(function() return conn end)
        conn:spawn(function() return conn:receive() end)
        neap.sleep(0.01)
      end)
      life.wait_until(function() life.collect(); return code end, "the close")
      assert.equal(1001, code)
    end)
  end)

  it("ends with a <close> variable, and with 1011 when an error passes", function()
    life.run(function(world)
      local codes = {}
      world:ws("/", { close = function(_, why) codes[#codes + 1] = why.code end })
      do
        local conn <close> = world:connect "/"
        assert(conn:send "x")
      end
      pcall(function()
        local conn <close> = world:connect "/"
        error(conn)
      end)
      life.wait_until(function() return #codes == 2 end)
      table.sort(codes)
      assert.same({ 1000, 1011 }, codes)
    end)
  end)

  it("is not collected while a task waits on it", function()
    life.run(function(world)
      echo(world)
      local got
      neap.spawn(function()
        local conn = world:connect "/"
        conn:send "later"
        neap.sleep(0.05)
        got = conn:receive()
      end)
      for _ = 1, 10 do life.collect(); neap.sleep(0.01) end
      life.wait_until(function() return got end)
      assert.equal("later", got)
    end)
  end)

  it("gives a second receive at once the answer busy", function()
    life.run(function(world)
      echo(world)
      local conn = world:connect "/"
      neap.spawn(function() conn:receive() end)
      neap.sleep(0)
      assert.equal("busy", closed_answer(conn:receive()))
      conn:close()
      conn:wait_closed(10)
    end)
  end)
end)

describe("a state that is closed with connections alive", function()
  local script = [[
    local neap = require "neap"
    local app = neap.app()
    app:ws("/open", { message = function(_, d) return d end })
    app:ws("/task", function(conn) conn:every(1, print) for _ in conn:messages() do end end)
    app:ws("/waits", { open = function() neap.sleep(60) end })
    app:get("/slow", function() neap.sleep(60) end)
    kept = {}
    neap.run(function()
      local listener = app:listen "http://127.0.0.1:0"
      local _, port = listener:address()
      local base = "ws://127.0.0.1:" .. port
      for _, path in ipairs { "/open", "/task", "/waits" } do
        kept[#kept + 1] = assert(neap.connect(base .. path))
      end
      kept[#kept + 1] = assert(neap.connect(base .. "/open"))
      kept[4]:close()
      local core = require "neap.core"
      kept[#kept + 1] = core.dial {
        socket = core.socket({ address = "127.0.0.1", port = port }, function() end),
        host = "localhost", target = "/slow",
        route = core.route { settings = core.settings {header = 8192, handshake = 5} },
      }
      neap.sleep(0.05)
    end)
    %s
  ]]

  for name, ending in pairs {
    ["by os.exit"] = "os.exit(0, true)",
    ["by its end"] = "",
    ["by an error"] = "error('the end', 0)",
  } do
    it("leaves nothing, " .. name, function()
      local status, output = life.die(script:format(ending))
      assert.equal(name == "by an error" and 1 or 0, status, output)
      assert.is_nil(output:find "Sanitizer", output)
    end)
  end
end)

describe("a dropped connection", function()
  it("is closed though the loop rests and nothing is allocated", function()
    life.run(function(world)
      local code
      world:ws("/", { close = function(_, why) code = why.code end })
      life.forget(function() world:connect "/" end)
      for _ = 1, 5 do
        neap.sleep(3)
        if code then break end
      end
      assert.equal(1001, code)
    end)
  end)
end)

-- Between the moment when a collection finds what is garbage and the finalisers,
-- it sweeps, in steps.
describe("a connection that the collector has found, and not finalised yet", function()
  local mode

  setup(function()
    mode = collectgarbage("incremental", 0, 0, 1)
    collectgarbage "stop"
  end)

  teardown(function()
    collectgarbage("incremental", 0, 0, 13)
    collectgarbage(mode)
    collectgarbage "restart"
  end)

  local function find(seen)
    repeat collectgarbage("step", 0) until not seen[1]
  end

  it("still tells its end", function()
    life.run(function(world)
      local peer, seen, told = nil, setmetatable({}, { __mode = "v" }), nil
      world:ws("/", { open = function(conn) peer = conn end })
      life.forget(function()
        seen[1] = world:connect "/"
        seen[1]:defer(function(why) told = why.cause end)
      end)
      life.wait_until(function() return peer end)
      neap.sleep(0.01) -- the task that dialed has ended
      find(seen)
      peer:terminate()
      neap.sleep(0.05)
      life.wait_until(function() life.collect(); return told end, "the end")
      assert.equal("reset", told)
    end)
  end)
end)

describe("a connection that comes when the wait for it is cancelled", function()
  it("is closed with the attempt, and abandoned by nobody", function()
    neap.run(function()
      local before, is_in = (core.abandoned()), false
      local app = neap.app()
      app:ws("/", { accept = function()
        neap.sleep(0.01)
        is_in = true
        return true
      end })
      local world, own = test.serve(app), neap.scope()
      own:spawn(function() world:connect "/" end)
      life.wait_until(function() return world.pipes[1] end)
      world.pipes[1]:hold("client", true)
      life.wait_until(function() return is_in end)
      neap.sleep(0.01)
      world.pipes[1]:hold("client", false)
      own:cancel() -- the answer is read before the task goes on
      own:close()
      life.wait_until(function() return core.counts().stream.live == 0 end, "its end")
      life.collect()
      assert.equal(before, (core.abandoned()))
      world:close()
    end)
    life.check_census()
  end)
end)

describe("the list of connections", function()
  it("is whole while one of them is being collected", function()
    life.run(function(world)
      local found
      world:ws("/", {})
      local kept = world:connect "/"
      life.forget(function() world:connect "/" end)
      local behind = world:connect "/"
      life.forget(function() -- what was marked last is finalised first
        setmetatable({}, { __gc = function()
          found = {}
          for conn in core.conns() do found[conn] = true end
        end })
      end)
      life.collect()
      assert.is_true(found[kept] and found[behind])
    end)
  end)
end)

describe("a paused connection", function()
  it("stays paused while what was received is taken", function()
    life.run(function(world)
      local kept
      world:ws("/", function(conn) kept = conn; neap.sleep(30) end)
      local client = world:connect "/"
      client:send "one"
      assert(client:ping()) -- "one" is there when this is answered
      kept:pause()
      client:send "two"
      neap.sleep(0.02)
      assert.equal("one", kept:receive(10))
      assert.equal("timeout", closed_answer(kept:receive(0.05)))
      kept:resume()
      assert.equal("two", kept:receive(10))
    end)
  end)
end)
