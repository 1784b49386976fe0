-- The receipt of a stop says what happened, and nothing else.

local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { cancel = 0.5 } }
  app:service { name = "ticker", start = function(scope)
    scope:spawn(function() while true do neap.sleep(1) end end)
  end }
  app:ws("/", { message = function(_, data) return data end })
  app:ws("/loop", function(conn) for data in conn:messages() do conn:send(data) end end)
  app:ws("/waits", { message = function(conn)
    conn:send "waiting"
    io.stderr:write(select(3, neap.sleep(60)) or "slept", "\n")
  end })
  app:ws("/stays", function(conn) -- until it is closed
    conn:send "waiting"
    while true do neap.sleep(60) end
  end)
  app:ws("/shielded", { message = function(conn)
    conn:send "waiting"
    conn:shield(0.1, function() neap.sleep(0.05) end)
    neap.sleep(60)
  end })
  app:ws("/drops", { message = function(conn)
    local scope = neap.scope { label = "dropped", within = {} }
    scope:every(60, print)
    conn:send "dropped"
  end })
  app:get("/request", function(req)
    io.stderr:write "asked\n"
    neap.sleep(60)
    return req:text "late"
  end)
  return app
]]

local FIELDS = "^neap: drained closed=(%d+) forced=(%d+) cancelled=(%d+) leaked=(%d+) "
  .. "took=([%d.]+)\n$"

local function connect(running, path, count, text)
  local peers = {}
  for i = 1, count or 1 do
    peers[i] = ws.connect(running.port, path)
    if text then
      peers[i]:send "go"
      assert.equal(text, peers[i]:receive())
    end
  end
  return peers
end

local function answer_closes(peers)
  for _, peer in ipairs(peers) do
    assert.equal(1001, (peer:read_close()))
    peer:send_close(1001)
  end
end

-- Stops the server while act runs: what the receipt says, and how long it took.
local function stop(running, act)
  local began = socket.gettime()
  running:signal "TERM"
  if act then act() end
  local status, out, err = running:wait()
  local wall = socket.gettime() - began
  assert.equal(0, status, err)
  local closed, forced, cancelled, leaked, took = out:match(FIELDS)
  assert.truthy(took, out)
  return ("closed=%s forced=%s cancelled=%s leaked=%s"):format(closed, forced, cancelled, leaked),
    tonumber(took), wall, err
end

describe("a receipt", function()
  it("of nothing says nothing but zeros: a service's loop is no handler", function()
    local running <close> = server.start(SCRIPT)
    local said, took, wall = stop(running)
    assert.equal("closed=0 forced=0 cancelled=0 leaked=0", said)
    assert.is_true(took <= wall)
  end)

  it("counts those that close cleanly", function()
    local running <close> = server.start(SCRIPT)
    local peers = connect(running, "/", 4)
    table.move(connect(running, "/loop", 3), 1, 3, 5, peers)
    local said, took, wall = stop(running, function() answer_closes(peers) end)
    assert.equal("closed=7 forced=0 cancelled=0 leaked=0", said)
    assert.is_true(took <= wall)
  end)

  for _, path in ipairs { "/waits", "/stays", "/shielded" } do
    it("counts a waiting handler that was cancelled, once: " .. path, function()
      local running <close> = server.start(SCRIPT)
      local peers = connect(running, path, 1, "waiting")
      local said, took, _, err = stop(running, function() answer_closes(peers) end)
      assert.equal("closed=1 forced=0 cancelled=1 leaked=0", said)
      assert.is_true(took < 20, "it was not cancelled: it has slept")
      if path == "/waits" then assert.equal("cancelled\n", err) end
    end)
  end

  it("counts a request that was cancelled at the deadline", function()
    local running <close> = server.start(SCRIPT, { "--drain", "0.3" })
    local peer = ws.dial(running.port)
    peer:raw "GET /request HTTP/1.1\r\nHost: localhost\r\n\r\n"
    repeat socket.sleep(0.01) until running:log():find "asked"
    local said = stop(running)
    assert.equal("closed=0 forced=0 cancelled=1 leaked=0", said)
    peer:close()
  end)

  it("counts a peer that never answers, and says that it took until the deadline", function()
    local running <close> = server.start(SCRIPT, { "--drain", "0.5" })
    local peers = connect(running, "/", 1)
    local said, took, wall = stop(running)
    assert.equal("closed=0 forced=1 cancelled=0 leaked=0", said)
    assert.is_true(took >= 0.5 and took <= wall, took)
    peers[1]:close()
  end)

  it("counts what the collector had to close", function()
    local running <close> = server.start(SCRIPT)
    local peers = connect(running, "/drops", 1, "dropped")
    local said, _, _, err = stop(running, function() answer_closes(peers) end)
    assert.equal("closed=1 forced=0 cancelled=0 leaked=1", said)
    assert.matches("leak: scope dropped opened at [^ ]+:%d+, open %d+s, held a timer from", err)
  end)

  it("keeps them apart when all of it happens", function()
    local running <close> = server.start(SCRIPT, { "--drain", "3" })
    local silent, peers = connect(running, "/", 2), connect(running, "/", 5)
    for _, each in ipairs { { "/waits", 1, "waiting" }, { "/drops", 3, "dropped" } } do
      table.move(connect(running, table.unpack(each)), 1, each[2], #peers + 1, peers)
    end
    local said, took = stop(running, function() answer_closes(peers) end)
    assert.equal("closed=9 forced=2 cancelled=1 leaked=3", said)
    assert.is_true(took >= 3)
    for _, peer in ipairs(silent) do peer:close() end
  end)
end)
