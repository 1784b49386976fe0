-- Handlers that never come back: a drain ends all the same.

local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { timeouts = { cancel = 0.3, turn = 1, close = 0.5, drain = 2 } }
  local is_told = false
  local function forever()
    if not is_told then io.stderr:write "it is stuck\n" end
    is_told = true
    while true do end
  end
  app:ws("/message", { message = forever })
  app:ws("/task", function(conn) conn:receive(); forever() end)
  app:ws("/close", { close = forever })
  app:ws("/hook", { message = function(conn) conn:defer(forever); conn:close() end })
  app:ws("/caught", { message = function() while true do pcall(forever) end end })
  app:ws("/timer", { message = function(conn) conn:after(0.01, forever) end })
  app:ws("/cleans", { message = function()
    local last <close> = setmetatable({}, { __close = function() io.stderr:write "cleaned\n" end })
    forever()
  end })
  app:ws("/wrapped", { message = function() coroutine.wrap(forever)() end })
  app:ws("/iterated", { message = function()
    for _ in coroutine.wrap(function() coroutine.yield(1); forever() end) do end
  end })
  app:ws("/resumed", { message = function()
    local outer = coroutine.create(function() return coroutine.wrap(forever)() end)
    error(select(2, coroutine.resume(outer)))
  end })
  app:ws("/resumed_again", { message = function()
    while true do coroutine.resume(coroutine.create(forever)) end
  end })
  app:ws("/closed", { message = function()
    local co = coroutine.create(function()
      local last <close> = setmetatable({}, { __close = forever })
      coroutine.yield()
    end)
    coroutine.resume(co)
    local _, err = coroutine.close(co)
    error(err)
  end })
  app:ws("/crowd", { message = function(conn)
    for _ = 1, 10000 do conn:child() end
    return "done"
  end })
  app:ws("/slow_coroutine", { message = function()
    local function lasting()
      local till = os.clock() + 2.5
      while os.clock() < till do end
      return "done"
    end
    return coroutine.wrap(lasting)()
  end })
  app:ws("/slow", { message = function()
    local till = os.clock() + 2.5
    while os.clock() < till do end
    return "done"
  end })
  return app
]]

-- Valgrind runs one thread at a time, so nothing can watch another there.
if os.getenv "NEAP_WRAP" then return end

local PATHS = {
  "/message", "/task", "/close", "/hook", "/caught", "/timer", "/cleans", "/wrapped", "/iterated",
  "/resumed", "/resumed_again", "/closed",
}

local now = socket.gettime

local function wait_until(is_so, what)
  local till = now() + 30
  while not is_so() do
    assert(now() < till, what)
    socket.sleep(0.01)
  end
end

local function stuck_at(path, options)
  local running = server.start(SCRIPT, options)
  local peer = assert(ws.connect(running.port, path))
  peer:send "go"
  if path == "/close" then peer:close() end
  wait_until(function() return running:log():find "it is stuck" end, "it is not stuck")
  return running, peer
end

-- Whether the kernel has not handed a SIGTERM over yet: proc(5)'s status.
local function is_pending(running)
  local file <close> = assert(io.open(("/proc/%d/status"):format(running.pid)))
  return tonumber(file:read("a"):match "ShdPnd:%s+(%x+)", 16) & 1 << 14 ~= 0
end

describe("a handler that never yields", function()
  for _, path in ipairs(PATHS) do
    it("cannot stop a drain: " .. path, function()
      local running <close> = stuck_at(path)
      local began = now()
      local status, out, err = running:stop()
      assert.equal(0, status, err)
      assert.truthy(out:find "neap: drained closed=", out)
      assert.is_true(now() - began < 15, now() - began) -- uninterrupted it would have no end
      assert.truthy(err:find "interrupted: the handler did not yield", err)
      if path == "/cleans" then assert.truthy(err:find "cleaned", err) end
    end)
  end

  it("is the script's: what neap itself has to do for long is done to its end", function()
    local running <close> = server.start(SCRIPT, { "--set", "timeouts.cancel=0.05" })
    local peer <close> = assert(ws.connect(running.port, "/crowd"))
    peer:send "go"
    assert.equal("done", peer:receive())
    local status, out, err = running:stop()
    assert.same({ 0, nil }, { status, err:match "interrupted[^\n]*" })
    assert.truthy(out:find "neap: drained closed=", out)
  end)

  it("ends at once by a second signal", function()
    local running <close> = stuck_at("/message", { "--set", "timeouts.cancel=60" })
    running:signal "TERM"
    -- Two that wait together would be one.
    wait_until(function() return not is_pending(running) end, "it is not handed over")
    running:signal "TERM"
    assert.equal(130, (running:wait()))
  end)

  it("is reported after timeouts.turn, once, and goes on", function()
    local running <close> = server.start(SCRIPT)
    local peer <close> = assert(ws.connect(running.port, "/slow"))
    peer:send "go"
    assert.equal("done", peer:receive())
    local _, _, err = running:stop()
    local _, times = err:gsub("a turn of the loop lasts too long", "")
    assert.is_true(times >= 1 and times <= 2, err)
    assert.truthy(err:find "in function <", err)
    assert.is_nil(err:find "interrupted")
  end)

  it("is reported from the coroutine that it runs in", function()
    local running <close> = server.start(SCRIPT)
    local peer <close> = assert(ws.connect(running.port, "/slow_coroutine"))
    peer:send "go"
    assert.equal("done", peer:receive())
    local _, _, err = running:stop()
    assert.truthy(err:find "a turn of the loop lasts too long", err)
    assert.truthy(err:find "in function <%S+:%d+>", err)
    assert.is_nil(err:find "interrupted")
  end)
end)
