-- Many connections, ended in every way: the server is afterwards what it was.

local life = require "spec.support.life"
local tell = require "spec.support.tell"

-- What a tool watches is slower, and its allocator keeps what was freed.
local is_watched = (os.getenv "NEAP_PRELOAD" or "") ~= ""
local CYCLES = is_watched and 4000 or os.getenv "NEAP_LONG" and 1000000 or 50000
local MEBIBYTE = 2 ^ 20

local SCRIPT = [[
  local neap = require "neap"
  local core = require "neap.core"
  require("neap.log").configure { level = "error", write = function() end }
  local app = neap.app { limits = { message = "8K" } }
  app:ws("/", {
    open = function(conn, req)
      conn:subscribe "all"
      if conn.id %% 3 == 0 then conn:defer(function() end) end
      if conn.id %% 5 == 0 then conn:every(60, function() end) end
    end,
    message = function(conn, data)
      if data == "close" then return conn:close(4000) end
      if data == "kill" then return conn:terminate() end
      if data == "fail" then error "on purpose" end
      return data
    end,
    close = function() end,
  })
  app:ws("/task", function(conn)
    for data in conn:messages() do
      if data == "close" then return end
      if data == "kill" then conn:terminate() end
      if data == "fail" then error "on purpose" end
    end
  end)

  local peers_left = 0
  app:get("/done", function() peers_left = peers_left - 1; return "" end)

  local endings = {
    function(conn) conn:close() end,
    function(conn) conn:terminate() end,
    function(conn) conn:send "close" end,
    function(conn) conn:send "kill" end,
    function(conn) conn:send "fail" end,
    function(conn) conn:send(("x"):rep(9000)) end,
    function() end, -- dropped: the collector's
  }

  local port
  local function cycle(i)
    local path = i %% 2 == 0 and "/" or "/task"
    local conn = assert(neap.connect(("ws://127.0.0.1:%%d%%s"):format(port, path)))
    local ending = endings[i %% #endings + 1]
    ending(conn)
    if i %% #endings ~= #endings - 1 then conn:wait_closed(5) end
  end

  -- As many as the last one has left may still be on their way.
  local function settle()
    for _ = 1, 500 do
      local counts, live = neap.census { collect = true }.classes, 0
      for _, class in ipairs { "conn", "stream", "timer", "subscription", "topic", "request" } do
        live = live + counts[class].live
      end
      if live == 0 and counts.scope.live <= 2 then return end
      neap.sleep(0.01)
    end
  end

  local function resident()
    for line in io.lines "/proc/self/status" do
      local kib = line:match "^VmRSS:%%s+(%%d+)"
      if kib then return kib * 1024 end
    end
  end

  local function measure()
    local result
    neap.run(function()
      settle()
      for _ = 1, 8 do neap.audit { collect = true } end -- each halves what Lua keeps for strings
      local audit, live = neap.audit { collect = true }, {}
      for class, tally in pairs(audit.counts) do
        live[#live + 1] = class .. "=" .. tally.live .. "/" .. tally.bytes
      end
      table.sort(live)
      audit.counts = nil
      result = { live = table.concat(live, " "), audit = audit,
        lua = collectgarbage "count" * 1024, resident = resident() }
    end)
    return result
  end

  -- Those of a process of its own end in the ways that no script would.
  local function start_peers(cycles)
    peers_left = peers_left + 1
    os.execute(("env -u LD_PRELOAD lua5.4 spec/support/churn_peer.lua %%d %%d &"):format(
      port, cycles))
  end

  local function run(cycles)
    neap.run(function()
      local left = cycles * 2 // 3
      start_peers(cycles - left)
      for _ = 1, 16 do
        neap.spawn(function()
          while left > 0 do
            left = left - 1
            cycle(left)
          end
        end)
      end
      while peers_left > 0 do neap.sleep(0.01) end
    end)
  end

  local listener
  neap.run(function()
    listener = assert(app:listen "http://127.0.0.1:0")
    _, port = listener:address()
  end)
  run(5000)
  local before = measure()
  run(%d)
  local after = measure()
  assert(before.live == after.live, before.live .. "\n" .. after.live)
  assert(after.audit.ok, tostring(after.audit))
  print("DESCRIPTORS", after.audit.descriptors - before.audit.descriptors,
    after.audit.foreign - before.audit.foreign)
  print("C", after.audit.bytes - before.audit.bytes, after.audit.blocks - before.audit.blocks)
  print("LUA", math.floor(after.lua - before.lua))
  print("RESIDENT", after.resident - before.resident)
  print("OPENED", core.counts().stream.opened)
  listener:close()
]]

describe("after many connections", function()
  local output

  local function figures(name)
    return output:match(name .. "%s+(%-?%d+)%s+(%-?%d+)")
  end

  local function figure(name)
    return tonumber(output:match(name .. "%s+(%-?%d+)"))
  end

  it("the server is what it was before", function()
    local status
    status, output = life.die(SCRIPT:format(CYCLES))
    assert.equal(0, status, output)
    assert.same({ "0", "0" }, { figures "DESCRIPTORS" }, output)
    assert.same({ "0", "0" }, { figures "C" }, output)
    assert.is_true(figure "LUA" <= 4096, output)
    if not is_watched then assert.is_true(figure "RESIDENT" <= MEBIBYTE, output) end
    assert.is_true(figure "OPENED" >= CYCLES, output)
    tell.result("%d connections, and then %d descriptors, %d blocks of C, %d bytes of Lua more",
      figure "OPENED", figure "DESCRIPTORS", select(2, figures "C"), figure "LUA")
  end)
end)
