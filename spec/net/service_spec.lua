-- Services of a process: what starts before it accepts, and stops after.
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local function free_port()
  local taken = assert(socket.bind("127.0.0.1", 0))
  local _, port = taken:getsockname()
  taken:close()
  return math.tointeger(port)
end

local function get(port, path)
  local answer = ws.ask(port,
    ("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"):format(path))
  return { answer.status, answer.body }
end

-- Each service prints what becomes of it; the one called slow waits for a file.
local HEAD = [[
local neap = require "neap"
local app = neap.app{timeouts = {drain = 2, cancel = 0.2}}
local function say(...) print(...) io.stdout:flush() end
app:ws("/", {message = function(_, data) return data end,
  close = function(_, why) say("conn " .. why.cause) end})
local function add(name, start, stop)
  app:service{name = name,
    start = function(scope)
      say("start " .. name)
      if start then return start(scope) end
    end,
    stop = function(seconds)
      say("stop " .. name)
      if stop then stop(seconds) end
    end}
end
]]

local SLOW = HEAD .. [[
add "first"
add("slow", function()
  while not io.open(arg[1]) do neap.sleep(0.01) end
end)
return app
]]

-- Starts SLOW on ports that are known before it accepts.
local function start_slow()
  local flag, port, admin = server.temporary ".flag", free_port(), free_port()
  local running = server.start(SLOW, {
    listen = "http://127.0.0.1:" .. port, may_fail = true,
    "--admin", "http://127.0.0.1:" .. admin, "--", flag,
  })
  assert.equal("start first", running.greeting)
  assert.equal("start slow", running.pipe:read "l")
  return running, flag, port, admin
end

local function touch(path)
  assert(io.open(path, "w")):close()
end

describe("services of a process", function()
  it("start before it accepts: who comes early waits, and is served", function()
    local running <close>, flag, port, admin = start_slow()
    assert.same({ 503, "starting\n" }, get(admin, "/readyz"))
    assert.same({ 200, "ok\n" }, get(admin, "/livez"))
    local early = assert(socket.connect("127.0.0.1", port))
    early:send(ws.head(port, "/"))
    early:settimeout(0.1)
    assert.equal("timeout", select(2, early:receive(1)))
    touch(flag)
    early:settimeout(30)
    assert.matches("^HTTP/1.1 101", (early:receive "*l"))
    assert.equal("neap: listening on http://127.0.0.1:" .. port, running.pipe:read "l")
    assert.equal("neap: admin on http://127.0.0.1:" .. admin, running.pipe:read "l")
    assert.same({ 200, "ready\n" }, get(admin, "/readyz"))
    early:close()
    local status, out = running:stop()
    assert.equal(0, status)
    assert.matches("stop slow\nstop first\nneap: drained", out)
    os.remove(flag)
  end)

  it("stop at a signal that comes while they start, with the receipt", function()
    local running <close> = start_slow()
    running:signal "TERM"
    local status, out, err = running:wait()
    assert.equal(0, status)
    assert.matches("^stop first\nneap: drained closed=0 forced=0 cancelled=%d+ leaked=0", out)
    assert.equal("", err)
  end)

  it("are not started when the port is taken", function()
    local taken = assert(socket.bind("127.0.0.1", 0))
    local _, port = taken:getsockname()
    local running <close> = server.start(HEAD .. 'add "first"\nreturn app',
      { listen = "http://127.0.0.1:" .. port, may_fail = true })
    local status, out, err = running:wait()
    assert.equal(1, status)
    assert.equal("", running.greeting .. out)
    assert.matches("cannot listen on http://127.0.0.1:%d+: [Aa]ddress already in use", err)
    taken:close()
  end)

  it("that fail to start end it with 1 and one line, after those before them", function()
    local running <close> = server.start(HEAD .. [[
      add "first"
      add("second", function(scope) scope:every(1, print) end)
      add("third", function() error "no feed" end)
      app:defer(function() say "the app ends" end)
      return app
    ]], { may_fail = true, "--leaks", "error" })
    local status, out, err = running:wait()
    assert.equal(1, status)
    assert.equal("start first", running.greeting)
    assert.equal("start second\nstart third\nstop second\nstop first\nthe app ends\n", out)
    assert.matches('^neap: [^\n]*%.lua:%d+: service "third" failed to start: '
      .. "[^\n]*%.lua:%d+: no feed\n$", err)
  end)

  it("stop in reverse after the connections closed", function()
    local running <close> = server.start(HEAD .. 'add "first"\nadd "second"\nreturn app',
      { may_fail = true })
    assert.equal("start first", running.greeting)
    assert.equal("start second", running.pipe:read "l")
    local port = running.pipe:read("l"):match ":(%d+)$"
    local client <close> = ws.connect(math.tointeger(port))
    running:signal "TERM"
    assert.equal(1001, (client:read_close()))
    client:send_close(1001)
    client:close()
    local status, out = running:wait()
    assert.equal(0, status)
    assert.matches("^conn drain\nstop second\nstop first\nneap: drained closed=1 ", out)
  end)

  it("may ask for what is provided while they stop, also for the first time", function()
    local running <close> = server.start(HEAD .. [[
      app:provide("late", {lifetime = "singleton", needs = {"below"},
        make = function() say "+late" return {} end, dispose = function() say "-late" end})
      app:provide("below", {lifetime = "singleton",
        make = function() say "+below" return {} end, dispose = function() say "-below" end})
      add("first", nil, function() assert(app:get "late") end)
      return app
    ]], { may_fail = true, "--leaks", "error" })
    assert.equal("start first", running.greeting)
    assert.matches("^neap: listening", running.pipe:read "l")
    local status, out, err = running:stop()
    assert.equal(0, status, err)
    assert.matches("^stop first\n%+below\n%+late\n%-late\n%-below\nneap: drained", out)
  end)

  it("are cut off when they hang, and leave nothing behind", function()
    local running <close> = server.start(HEAD .. [[
      add "first"
      add("second", function(scope)
        scope:spawn(function() while true do neap.sleep(60) end end)
      end, function() while true do neap.sleep(60) end end)
      return app
    ]], { may_fail = true, "--drain", "0.5", "--leaks", "error" })
    for _ = 1, 2 do running.pipe:read "l" end
    running:signal "TERM"
    local status, out, err = running:wait()
    assert.equal(0, status, err)
    assert.matches("stop second\nstop first\nneap: drained closed=0 forced=0 .* leaked=0", out)
    assert.matches('service "second" .- did not stop within 0%.%d s, and was cut off', err)
    local took = tonumber(out:match "took=([%d.]+)")
    assert.is_true(took < 20, out) -- they sleep for a minute
  end)

  it("let a wrong order of lifetimes be told before anything starts", function()
    local running <close> = server.start(HEAD .. [[
      add "first"
      app:provide("session", {lifetime = "scoped", make = print})
      app:provide("hub", {lifetime = "singleton", needs = {"session"}, make = print})
      return app
    ]], { may_fail = true })
    local status, out, err = running:wait()
    assert.equal(1, status)
    assert.equal("", running.greeting .. out)
    assert.matches('^neap: [^\n]*%.lua:%d+: singleton "hub" %b() would capture scoped '
      .. '"session" %b()[^\n]*\n$', err)
  end)

  it("start for app:listen in a script of its own", function()
    local running <close> = server.start(HEAD .. [[
      add "first"
      neap.run(function()
        assert(app:listen "http://127.0.0.1:0")
        say "listening"
        app.scope:close()
        for _, listener in ipairs(app.listeners) do listener:close() end
      end)
      os.exit(0, true)
    ]], { command = server.stock_lua, listen = false, may_fail = true })
    local status, out, err = running:wait()
    assert.equal(0, status, err)
    assert.equal("start first", running.greeting)
    assert.equal("listening\nstop first\n", out)
  end)
end)
