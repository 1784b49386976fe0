-- Every allocation of a connection's life fails once: no crash, no hang, and
-- when memory is back, nothing is left and the next connection is served.

local life = require "spec.support.life"
local server = require "spec.support.server"

local SCRIPT = [[
  local fail_at = assert(package.loadlib(%q, "luaopen_malloc_fail"))()
  local neap = require "neap"
  local core = require "neap.core"
  require "neap.test"
  local said = 0
  require("neap.log").configure { level = "warn", write = function() said = said + 1 end }
  local app = neap.app { timeouts = { handshake = 0.3, close = 0.3, cancel = 0.1 } }
  local deflate = %s
  app:ws("/", {
    deflate = deflate,
    open = function(conn)
      conn:subscribe "a"
      conn:every(10, function() end)
      conn:defer(function() end)
    end,
    message = function(conn, data)
      app:publish("a", data)
      if data == "wait" then neap.sleep(0.001) end
      return data
    end,
    close = function() end,
  })

  local function scenario(port)
    local conn, message = neap.connect(("ws://127.0.0.1:%%d/"):format(port),
      { deflate = deflate })
    local ok
    if not conn then return message end
    for _, text in ipairs { "one", ("x"):rep(3000), ("y"):rep(150000), "wait" } do
      ok, message = conn:send(text)
      if not ok then return message end
      if not conn:receive(0.2) then break end
    end
    conn:close()
    local why = conn:wait_closed(2)
    return not why and "no end" or why.cause ~= "closed" and why.cause
  end

  local listener, port
  neap.run(function()
    listener = assert(app:listen "http://127.0.0.1:0")
    _, port = listener:address()
    scenario(port)
  end)

  local function is_clean()
    collectgarbage()
    collectgarbage()
    local counts = core.counts()
    for _, class in ipairs {
      "conn", "stream", "timer", "request", "subscription", "topic", "deflate", "inflate",
    } do
      if counts[class].live > 0 then return false, class end
    end
    return counts.frame_buffer.bytes == 0, "frame_buffer"
  end

  local function settle(n)
    neap.run(function()
      for _ = 1, 500 do
        if is_clean() then return end
        neap.sleep(0.01)
      end
      local _, class = is_clean()
      print("LEFT", n, class)
    end)
  end

  local n, told, total = 1, 0, nil
  repeat
    said = 0
    fail_at(n, %d)
    local ok, message = pcall(neap.run, scenario, port)
    total = fail_at()
    if not ok or message or said > 0 then told = told + 1 end
    settle(n)
    n = n + 1
  until n > total + 1
  neap.run(function()
    local conn = assert(neap.connect(("ws://127.0.0.1:%%d/"):format(port), { deflate = deflate }))
    assert(conn:send "after all" and conn:receive(1) == "after all")
    conn:terminate()
  end)
  listener:close()
  print("DONE", n, total, told)
]]

-- The sanitizer's malloc can't be replaced.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" then return end

describe("a failing allocation", function()
  local library = server.temporary ".so"

  setup(function()
    local include = io.popen("pkg-config --cflags lua5.4"):read "l"
    assert(os.execute(("cc -shared -fPIC -O1 %s -o %s spec/support/malloc_fail.c"):format(
      include, library)))
  end)

  teardown(function() os.remove(library) end)

  local function sweep(deflate, times)
    local status, output = life.die(SCRIPT:format(library, deflate, times), library)
    assert.equal(0, status, output)
    assert.is_nil(output:find "LEFT", output)
    local tried, total, told = output:match "DONE%s+(%d+)%s+(%d+)%s+(%d+)"
    assert.is_true(tonumber(total) > 100 and tonumber(tried) > tonumber(total), output)
    assert.is_true(tonumber(told) > 0, output)
  end

  for name, deflate in pairs {
    ["without compression"] = "false", ["with compression"] = "{}",
    ["with contexts taken over"] = "{ takeover = true, idle = 0.2 }",
  } do
    it("ends no process and leaves nothing, whichever it is, " .. name, function()
      sweep(deflate, 1)
    end)
  end

  -- Lua tries again after a collection: what fails once harms only C.
  it("ends no process and leaves nothing, when it is Lua's and fails twice", function()
    sweep("false", 2)
  end)
end)
