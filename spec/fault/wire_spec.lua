-- Wires that split, stall, swallow, cut and reset at the n-th byte, in either
-- direction, plain and under TLS: whoever is at the end of one gets what the wire
-- let through, then one close; nothing hangs, and nothing is left.

local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"
local process = require "spec.support.process"
local server = require "spec.support.server"
local socket = require "socket"
local tls_world = require "spec.support.tls_world"
local ws = require "spec.support.ws"

local LONG = os.getenv "NEAP_LONG" ~= nil

local HARMLESS, HARMFUL = { "split", "stall" }, { "blackhole", "fin", "both", "rst", "one_rst" }
-- Who gets through has time; who does not is found out soon.
local PATIENT = { handshake = 30, ping = 10, pong = 30, close = 30, write = 30 }
local STRICT = { handshake = 2, ping = 0.4, pong = 0.4, close = 0.4, write = 1 }
local MESSAGES = { "hello", ("x"):rep(100000), "goodbye" }

-- The bytes of a head, of a frame's, of a payload, of the Close frame.
local function places(length, step)
  local all = {}
  for at = 0, length, step do all[#all + 1] = at end
  for _, at in ipairs { 5000, 50000, 100200 } do all[#all + 1] = at end
  return all
end

local function faults_of(kinds, list)
  local faults = {}
  for _, at in ipairs(list) do
    for _, kind in ipairs(kinds) do
      for _, side in ipairs { "up", "down" } do
        faults[#faults + 1] = ("%s:%s:%d"):format(kind, side, at)
      end
    end
  end
  return faults
end

local function start_proxy(port, faults)
  return process.start(("/usr/bin/python3 spec/support/fault_proxy.py %d %s"):format(
    port, table.concat(faults, " ")))
end

-- True when all came back and the close was clean; else it has ended somehow.
local function talk(url, options)
  local patience = options.timeout
  local conn, message, code = neap.connect(url, options)
  if not conn then
    assert(message and code)
    return false
  end
  local is_whole = true
  for _, text in ipairs(MESSAGES) do
    is_whole = is_whole and conn:send(text) and conn:receive(patience) == text
  end
  conn:close()
  local why, how
  why, message, how = conn:wait_closed(40)
  assert(why or how == "closed", message) -- it had ended already, or it never ends
  return is_whole and why and why.clean and why.cause == "closed"
end

local function routes(world, ends)
  world:ws("/", {
    message = function(_, data) return data end,
    close = function(conn, why)
      assert(not ends[conn.id], "closed twice")
      ends[conn.id] = why
    end,
  })
end

describe("a faulty wire", function()
  setup(function() log.configure { level = "error" } end)
  teardown(function() log.configure { level = "info" } end)

  -- Returns how many came through.
  local function count_whole(runner, scheme, port_of, faults, timeouts)
    local whole = 0
    runner(function(world)
      local ends = {}
      routes(world, ends)
      local proxy <close> = start_proxy(port_of(world), faults)
      local url = ("%s://localhost:%d/"):format(scheme, proxy.port)
      local options = { timeout = timeouts == PATIENT and 30 or 3, ca = tls_world.cert,
        timeouts = { ping = timeouts.ping, pong = timeouts.pong, close = timeouts.close,
          write = timeouts.write } }
      local running, fault = 0, nil
      for i = 1, 24 do
        running = running + 1
        neap.spawn(function()
          for _ = i, #faults, 24 do
            local ok, is_whole = pcall(talk, url, options)
            if not ok then fault = is_whole elseif is_whole then whole = whole + 1 end
          end
          running = running - 1
        end)
      end
      local deadline = neap.now() + (LONG and 500 or 120)
      while running > 0 and neap.now() < deadline do neap.sleep(0.02) end
      assert.equal(0, running, "some never end")
      assert.is_nil(fault, fault)
    end, { timeouts = timeouts })
    return whole
  end

  local function run(runner, scheme, port_of, list)
    local faults = faults_of(HARMLESS, list)
    local whole = count_whole(runner, scheme, port_of, faults, PATIENT)
    assert.equal(#faults, whole, "not all of the harmless ones came through")
    faults = faults_of(HARMFUL, list)
    whole = count_whole(runner, scheme, port_of, faults, STRICT)
    assert.is_true(whole < #faults, "nothing ever went wrong")
  end

  it("harms one connection, and tells both ends once", function()
    local list = LONG and places(260, 1) or { 0, 1, 60, 200, 230, 1500, 50000 }
    run(life.run, "ws", function(world) return world:port() end, list)
  end)

  it("harms one connection under TLS, and tells both ends once", function()
    local list = LONG and places(2600, 13) or { 0, 5, 300, 900, 1700, 50000 }
    run(tls_world.run, "wss", tls_world.listen, list)
  end)
end)

describe("other peers at the end of a faulty wire", function()
  local CLIENTS = {
    "/usr/bin/python3 spec/support/echo_client.py", "node spec/support/echo_client.js",
  }
  local SERVERS = {
    "/usr/bin/python3 spec/support/echo_server.py", "node spec/support/echo_server.js",
  }

  local SERVER = [[
    local neap = require "neap"
    local app = neap.app { timeouts = { %s } }
    app:ws("/", { message = function(_, data) return data end })
    app:get("/live", function() return tostring(neap.census().stream.live) end)
    return app
  ]]

  -- Whoever asks is the one that is left.
  local function wait_until_alone(running)
    local till, live = socket.gettime() + 30
    repeat
      live = ws.ask(running.port,
        "GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").body
    until live == "1" or socket.gettime() > till
    assert.equal("1", live)
  end

  it("talk with neap's server byte by byte, or are forgotten", function()
    local patient <close> = server.start(SERVER:format "")
    local strict <close> = server.start(SERVER:format "ping = 0.5, pong = 0.5, close = 0.5")
    for _, client in ipairs(CLIENTS) do
      for _, fault in ipairs { "split:up:0", "split:down:0", "rst:up:300", "fin:down:400",
          "blackhole:up:900" } do
        local is_harmless = fault:find "^split"
        local running = is_harmless and patient or strict
        local proxy <close> = start_proxy(running.port, { fault })
        local words = ("timeout %d %s ws://127.0.0.1:%d/ 2>/dev/null"):format(
          is_harmless and 100 or 2, client, proxy.port)
        local peer <close> = process.start(words, false)
        local said = peer:read()
        assert.equal(is_harmless and "ok" or nil, said, client .. " over " .. fault)
      end
    end
    for _, running in ipairs { patient, strict } do
      wait_until_alone(running)
      assert.equal(0, (running:stop()))
    end
  end)

  it("serve neap's client byte by byte", function()
    for _, command in ipairs(SERVERS) do
      local peer <close> = process.start(command)
      local proxy <close> = start_proxy(peer.port,
        { "split:up:0", "split:down:0", "stall:down:90" })
      neap.run(function()
        for _ = 1, 3 do
          assert.is_true(talk(("ws://127.0.0.1:%d/"):format(proxy.port), { timeout = 30 }), command)
        end
      end)
    end
    life.check_census()
  end)
end)
