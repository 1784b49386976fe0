-- For specs of a memory that runs out: a scenario is played again and again, in a
-- process of its own, and each time another allocation fails, and those that
-- follow it, so many in a row.
--
--   shortage.sweep(library, 5, [[
--     app:ws("/", …)                     routes
--     function scenario(port) … end      returns why it did not go well
--   ]])
--
-- Raises unless every run ends, leaves the census where it was, and the next
-- connection is served. NEAP_LONG fails each allocation in turn; else it is one
-- in `stride`.

local life = require "spec.support.life"
local server = require "spec.support.server"

local shortage = {}

local BEFORE = [[
  local fail_at = assert(package.loadlib(%q, "luaopen_malloc_fail"))()
  local neap = require "neap"
  local core = require "neap.core"
  require "neap.test"
  local said = 0
  require("neap.log").configure { level = "warn", write = function() said = said + 1 end }
  local app = neap.app { timeouts = { handshake = 0.3, close = 0.3, cancel = 0.1 } }
  local url, served, options, scenario = "http://127.0.0.1:0", nil, {}, nil
  app:ws("/plain", { message = function(_, data) return data end })
]]

local AFTER = [[
  local listener, port
  neap.run(function()
    listener = assert(app:listen(url, served))
    _, port = listener:address()
    local message = scenario(port)
    assert(not message, message)
  end)

  local function find_left()
    collectgarbage()
    collectgarbage()
    local counts = core.counts()
    for _, class in ipairs {
      "conn", "stream", "timer", "request", "subscription", "topic", "deflate", "inflate",
      "client", "socket", "lookup", "tls",
    } do
      if counts[class] and counts[class].live > 0 then return class end
    end
    if counts.task.live > 1 then return "task" end -- the one that asks
    if counts.frame_buffer.bytes > 0 then return "frame_buffer" end
  end

  local function settle(n)
    neap.run(function()
      for _ = 1, 500 do
        if not find_left() then return end
        neap.sleep(0.01)
      end
      print("LEFT", n, find_left())
    end)
  end

  local times, stride = %d, %d
  local n, told, total = 1 + times %% stride, 0, nil
  settle(0)
  repeat
    said = 0
    fail_at(n, times)
    local ok, message = pcall(neap.run, scenario, port)
    total = fail_at()
    if not ok or message or said > 0 then told = told + 1 end
    settle(n)
    n = n + stride
  until n > total + stride
  neap.run(function()
    local again = url:gsub("^http", "ws"):gsub(":0$", ":" .. port)
    local conn = assert(neap.connect(again .. "/plain", options))
    assert(conn:send "after all" and conn:receive(1) == "after all")
    conn:terminate()
  end)
  listener:close()
  print("DONE", n, total, told)
]]

--- Builds the library that fails allocations; the caller removes it.
---@return string path
function shortage.library()
  local path = server.temporary ".so"
  local include = io.popen("pkg-config --cflags lua5.4"):read "l"
  assert(os.execute(("cc -shared -fPIC -O1 %s -o %s spec/support/malloc_fail.c"):format(
    include, path)))
  return path
end

--- The sanitizer's malloc can't be replaced.
shortage.is_possible = (os.getenv "NEAP_PRELOAD" or "") == ""

local SECONDS = 300

--- Plays a scenario until every allocation has failed, `times` in a row.
---@param library string
---@param times integer
---@param script string
---@param stride integer|nil
function shortage.sweep(library, times, script, stride)
  stride = os.getenv "NEAP_LONG" and 1 or stride or 1
  local text = BEFORE:format(library) .. script .. AFTER:format(times, stride)
  local status, output = life.die(text, library, ("timeout %d env"):format(SECONDS))
  assert(status ~= 124, "it never ended: " .. output)
  assert(status == 0, output)
  assert(not output:find "LEFT", output)
  local tried, total, told = output:match "DONE%s+(%d+)%s+(%d+)%s+(%d+)"
  assert(tonumber(total) > 100 and tonumber(tried) > tonumber(total), output)
  assert(tonumber(told) > 0, output)
end

return shortage
