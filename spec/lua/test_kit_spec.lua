local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

local function echo_app()
  local app = neap.app()
  app:ws("/echo", { message = function(_, data) return data end })
  app:ws("/task", function(conn)
    conn:every(1, function() conn:send "tick" end)
    conn:subscribe "all"
    for data in conn:messages() do conn:send(data) end
  end)
  return app
end

describe("neap.test.no_leaks", function()
  it("returns what the function returns, when nothing is left", function()
    assert.equal("fine", test.no_leaks(function()
      local own <close> = neap.scope()
      own:every(1, function() end)
      return "fine"
    end))
  end)

  it("names what is left", function()
    local kept
    local ok, message = pcall(test.no_leaks, function()
      kept = neap.scope { label = "kept", within = {} }
      kept:every(100, function() end)
    end)
    kept:close()
    assert.is_false(ok)
    assert.truthy(message:find("this leaks: 1 scope more, 1 timer more", 1, true), message)
  end)
end)

describe("neap.test.serve", function()
  it("connects in memory, without a descriptor", function()
    neap.run(function()
      local world <close> = test.serve(echo_app())
      local before = io.popen("ls /proc/self/fd | wc -l"):read "n"
      local conn = assert(world:connect "/echo")
      assert.equal("unix", conn.remote)
      assert(conn:send(("x"):rep(300000)))
      assert.equal(300000, #conn:receive(10))
      assert.equal(before, io.popen("ls /proc/self/fd | wc -l"):read "n")
      conn:close()
      assert.equal(1000, conn:wait_closed().code)
    end)
    life.check_census()
  end)

  it("answers a path that is not there as a socket would", function()
    neap.run(function()
      local world <close> = test.serve(echo_app())
      local conn, message, code = world:connect "/nowhere"
      assert.is_nil(conn)
      assert.truthy(message:find "404")
      assert.equal("refused", code)
    end)
    life.check_census()
  end)
end)

describe("neap.test.pair", function()
  it("gives both ends of one connection", function()
    neap.run(function()
      local client, server = test.pair()
      client:send "to the server"
      assert.equal("to the server", server:receive(10))
      server:send("to the client", "binary")
      assert.same({ "to the client", "binary" }, { client:receive(10) })
      server:close(4321, "done")
      assert.same({ 4321, "peer" }, { client:wait_closed(10).code, client:wait_closed(10).by })
    end)
    life.check_census()
  end)
end)

describe("neap.test.clock", function()
  it("moves timers, sleeps and neap.now", function()
    neap.run(function()
      local own <close> = neap.scope()
      local ticks, slept, began, real = 0, false, neap.now(), os.time()
      own:every(10, function() ticks = ticks + 1 end)
      own:spawn(function() neap.sleep(3600); slept = true end)
      test.clock:advance(3601)
      assert.is_true(slept)
      assert.is_true(ticks >= 359 and ticks <= 361, tostring(ticks))
      assert.is_true(neap.now() - began >= 3600)
      assert.is_true(os.time() - real < 60)
    end)
    life.check_census()
  end)

  it("brings the deadlines of connections: a silent peer is found out", function()
    neap.run(function()
      local world <close> = test.serve(echo_app())
      local conn = world:connect "/echo"
      world:cut "silence"
      test.clock:advance(31)
      assert.equal("no_pong", conn:wait_closed(10).cause)
    end)
    life.check_census()
  end)
end)

describe("a connection in memory that is cut", function()
  it("stays cut, whatever it is to be cut by later", function()
    neap.run(function()
      local world <close> = test.serve(echo_app())
      local conn = world:connect "/echo"
      world:cut "mute"
      world.pipes[1]:cut("fin", 1000)
      conn:send "lost"
      assert.equal("timeout", (select(3, conn:receive(0.05))))
    end)
    life.check_census()
  end)
end)

describe("neap.test.cut_everywhere", function()
  it("plays a scenario once for each cut, and finds the census back", function()
    local runs = test.cut_everywhere(function(world)
      local conn = assert(world:connect "/task")
      assert(conn:send "hello")
      assert.equal("hello", conn:receive(40))
      conn:close()
      conn:wait_closed(40)
    end, echo_app)
    assert.is_true(runs >= 5 * 4 + 1, tostring(runs))
    life.check_census()
  end)

  it("says where a leak is, and at which cut", function()
    local kept = {}
    local ok, message = pcall(test.cut_everywhere, function(world)
      local conn = assert(world:connect "/echo")
      local token = core.token "client"
      kept[#kept + 1] = token
      assert(conn:send "hello")
      assert(conn:receive(40))
      token:close()
    end, echo_app)
    for _, token in ipairs(kept) do token:close() end
    assert.is_false(ok)
    assert.truthy(message:find "cut by %a+ after write %d: 1 client more", message)
  end)
end)
