-- For specs of a memory that runs out: a scenario is played again and again, in a
-- process of its own, and each time another allocation fails, and those that
-- follow it, so many in a row.
--
--   shortage.sweep(library, 5, [[
--     app:ws("/", …)                     routes
--     function scenario(port) … end      returns why it did not go well
--   ]])
--
-- Raises unless every run ends, tells of nothing but the shortage, leaves the
-- census where it was, and the next connection is served. One allocation in `stride`
-- fails; NEAP_LONG fails eight times as many. `check(value, message, code)` is
-- there for scenarios: it returns the value of an outcome, and raises unless that
-- which is none says why.

local life = require "spec.support.life"
local server = require "spec.support.server"

local shortage = {}

local BEFORE = [[
  local fail_at = assert(package.loadlib(%q, "luaopen_malloc_fail"))()
  local neap = require "neap"
  local core = require "neap.core"
  require "neap.test"
  local codes = {}
  for code in ("closed timeout busy overflow too_big protocol refused tls cancelled limit "
    .. "draining io"):gmatch "%%S+" do codes[code] = true end
  local function check(value, message, code)
    assert(value or type(message) == "string" and codes[code], "an outcome without a why")
    return value
  end
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
      "client", "socket", "lookup", "tls", "file",
    } do
      if counts[class] and counts[class].live > 0 then return class end
    end
    for class, tally in pairs(counts) do
      if tally.opened ~= tally.closed + tally.live then return "balance of " .. class end
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

  local times, stride, whose = %d, %d, %q
  local n, told, total = 1 + times %% stride, 0, nil
  settle(0)
  repeat
    said = 0
    fail_at(n, times, whose)
    local ok, message = pcall(neap.run, scenario, port)
    total = fail_at()
    message = tostring(message or "")
    if not ok and not message:find "memory" then print("WRONG", n, message) end
    if not ok or message ~= "" or said > 0 then told = told + 1 end
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
  settle "at the end"
  local audit = neap.audit()
  if not audit.ok then print("LEFT", "audit", tostring(audit)) end
  print("DONE", n, total, told)
]]

--- Builds the library that fails allocations; the caller removes it. It stays
--- loaded until the process ends, since states use it to their end.
---@return string path
function shortage.library()
  local path = server.temporary ".so"
  local include = io.popen("pkg-config --cflags lua5.4"):read "l"
  local build = "LD_PRELOAD= cc -shared -fPIC -O1 -Wl,-z,nodelete %s -o %s "
    .. "spec/support/malloc_fail.c"
  assert(os.execute(build:format(include, path)))
  return path
end

--- The sanitizer's malloc can't be replaced.
shortage.is_possible = (os.getenv "NEAP_PRELOAD" or "") == ""

local SECONDS = os.getenv "NEAP_LONG" and 550 or 300

--- Plays a scenario until every allocation has failed, `times` in a row.
---@param library string
---@param times integer
---@param script string
---@param stride integer|nil
---@param whose "all"|"lua"|nil
function shortage.sweep(library, times, script, stride, whose)
  stride = stride or 1
  if os.getenv "NEAP_LONG" then stride = math.max(1, stride // 8) end
  local text = BEFORE:format(library) .. script .. AFTER:format(times, stride, whose or "all")
  local preload = whose ~= "lua" and library or nil
  local env = ("timeout %d setpriv --pdeathsig KILL env"):format(SECONDS)
  local status, output = life.die(text, preload, env)
  assert(status ~= 124, "it never ended: " .. output)
  assert(status == 0, output)
  assert(not output:find "LEFT" and not output:find "WRONG", output)
  local tried, total, told = output:match "DONE%s+(%d+)%s+(%d+)%s+(%d+)"
  assert(tonumber(total) > 100 and tonumber(tried) > tonumber(total), output)
  assert(tonumber(told) > 0 or times == 1, output) -- Lua tries once more
end

return shortage
