-- Many connections, ended in every way: the server is afterwards what it was.

local life = require "spec.support.life"

local CYCLES = os.getenv "NEAP_LONG" and 1000000 or 20000

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

  local function descriptors()
    local count = 0
    for _ in io.popen("ls /proc/self/fd"):lines() do count = count + 1 end
    return count
  end

  local function settle()
    for _ = 1, 300 do
      collectgarbage()
      collectgarbage()
      local counts, live = core.counts(), 0
      for _, class in ipairs { "conn", "stream", "timer", "subscription", "topic", "request" } do
        live = live + counts[class].live
      end
      if live == 0 then return end
      neap.sleep(0.01)
    end
  end

  local function measure()
    local result
    neap.run(function()
      settle()
      local counts, live = core.counts(), {}
      for class, tally in pairs(counts) do
        live[#live + 1] = class .. "=" .. tally.live .. "/" .. tally.bytes
        assert(tally.opened == tally.closed + tally.live, class)
      end
      table.sort(live)
      result = { live = table.concat(live, " "), descriptors = descriptors(),
        lua = collectgarbage "count" * 1024 }
    end)
    return result
  end

  local function run(cycles)
    neap.run(function()
      local tasks <close> = neap.scope()
      local left = cycles
      for _ = 1, 16 do
        neap.spawn(function()
          while left > 0 do
            left = left - 1
            cycle(left)
          end
        end)
      end
    end)
  end

  local listener
  neap.run(function()
    listener = assert(app:listen "http://127.0.0.1:0")
    _, port = listener:address()
  end)
  run(2000)
  local before = measure()
  run(%d)
  local after = measure()
  assert(before.live == after.live, before.live .. "\n" .. after.live)
  print("DESCRIPTORS", before.descriptors, after.descriptors)
  print("LUA", math.floor(after.lua - before.lua))
  print("OPENED", core.counts().stream.opened)
  listener:close()
]]

describe("after many connections", function()
  it("the server is what it was before", function()
    local status, output = life.die(SCRIPT:format(CYCLES))
    assert.equal(0, status, output)
    local before, after = output:match "DESCRIPTORS%s+(%d+)%s+(%d+)"
    assert.equal(before, after, output)
    assert.is_true(tonumber(output:match "LUA%s+(%-?%d+)") <= 4096, output)
    assert.is_true(tonumber(output:match "OPENED%s+(%d+)") >= 2 * CYCLES, output)
  end)
end)
