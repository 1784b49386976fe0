-- Every allocation of a publish that crosses workers fails, in the worker that
-- publishes and in the one that gets it: it is lost at most, and counted or told;
-- nobody gets anything else, and the next one reaches all.

local life = require "spec.support.life"
local server = require "spec.support.server"
local shortage = require "spec.support.shortage"

local SCRIPT = [[
  local fail_at = assert(package.loadlib(%q, "luaopen_malloc_fail"))()
  local path, times, stride, victim = %q, %d, %d, %d
  local neap = require "neap"
  require("neap.log").configure { level = "error", write = function() end }
  local app = neap.app { timeouts = { handshake = 5, close = 1, cancel = 0.1 } }

  app:ws("/", {
    open = function(conn)
      conn:subscribe "a"
      conn:send("worker " .. neap.worker.index)
    end,
    message = function(conn, data)
      if data == "audit" then return tostring(neap.audit().ok) end
      conn:send "armed"
      fail_at(tonumber(data), times, "thread")
    end,
  })

  local untold = 0 -- how many of the connections have not heard of their end

  -- A connection that this worker serves; who is served by which is the kernel's choice.
  local function connect(worker)
    for _ = 1, 1000 do
      local conn = assert(neap.connect("ws+unix:" .. path .. ":/"))
      conn:defer(function() untold = untold - 1 end)
      untold = untold + 1
      if conn:receive(10) == "worker " .. worker then return conn end
      conn:close()
    end
    error("worker " .. worker .. " gets no connection")
  end

  local conns = {}

  -- Publishes until it is heard; before that only what was published earlier may come.
  local function hear(worker, text, earlier)
    local deadline = neap.now() + 20
    repeat
      if neap.now() > deadline then error("worker " .. worker .. " hears nothing") end
      app:publish("a", text)
      local data, _, code = conns[worker]:receive(0.1)
      while data == earlier do data, _, code = conns[worker]:receive(0.1) end
      if code == "closed" then
        conns[worker] = connect(worker)
      elseif data ~= text and code ~= "timeout" and not (data or ""):find "^after" then
        error("it heard " .. tostring(data):sub(1, 40))
      end
    until data == text
    for _ = 1, 1000 do
      if not conns[worker]:receive(0) then break end
    end
  end

  local function arm(n)
    if victim == 1 then return fail_at(n, times, "thread") end
    if conns[2].state ~= "open" then conns[2] = connect(2) end
    assert(conns[2]:send(tostring(n)))
    repeat -- or its end: then it is what the failure harmed
      local data, _, code = conns[2]:receive(10)
      assert(data or code == "closed", "it is not armed")
    until not data or data == "armed"
  end

  local function play(n, text)
    arm(n)
    local ok, message = pcall(app.publish, app, "a", text)
    if victim == 1 then
      pcall(neap.sleep, 0.001) -- what it posts leaves at the end of the turn
    else
      pcall(conns[2].receive, conns[2], 0.02)
    end
    local total = fail_at()
    assert(ok or tostring(message):find "memory", message)
    for worker = 1, 2 do hear(worker, ("after %%d of %%d"):format(n, worker), text) end
    return total
  end

  local function sweep(text)
    local n, most = 1, nil
    repeat
      most = play(n, text)
      n = n + stride
    until n > most + stride
    return most
  end

  local function settle()
    local deadline, left = neap.now() + 20, nil
    repeat
      neap.sleep(0.05)
      collectgarbage()
      local counts = neap.census().classes
      left = counts.conn.live + counts.subscription.live + counts.frame_buffer.bytes
      for class, tally in pairs(counts) do
        if tally.opened ~= tally.closed + tally.live then left = class end
      end
      if untold > 0 then left = "an end that was not told" end
    until left == 0 or neap.now() > deadline
    if left ~= 0 then print("LEFT", left) end
  end

  local function check_audit()
    conns[2]:send "audit"
    local told
    repeat told = assert(conns[2]:receive(10)) until not told:find "^after"
    print("AUDIT", neap.audit().ok, told)
  end

  app:spawn(function()
    local ok, trace = xpcall(function()
      for worker = 1, 2 do conns[worker] = connect(worker) end
      for _, text in ipairs { "short", ("x"):rep(100000) } do
        print("SWEPT", sweep(text))
      end
      check_audit()
      for worker = 1, 2 do conns[worker]:close() end
      settle()
    end, debug.traceback)
    print(ok and "DONE" or "WRONG", trace)
    app:stop()
  end)

  app:run { listen = "unix:" .. path, workers = 2 }
]]

if not shortage.is_possible then return end

describe("a failing allocation of a publish that crosses workers", function()
  local library

  setup(function() library = shortage.library() end)
  teardown(function() os.remove(library) end)

  local function sweep(victim, times)
    local path = server.temporary ".sock"
    local stride = os.getenv "NEAP_LONG" and 1 or times
    local text = SCRIPT:format(library, path, times, stride, victim)
    local status, output = life.die(text, library, "timeout 200 setpriv --pdeathsig KILL env")
    os.remove(path)
    assert(status == 0 and output:find "DONE", output)
    assert(output:find "AUDIT%s+true%s+true", output)
    assert(not output:find "LEFT" and output:find "leaked=0", output)
    return output
  end

  for _, times in ipairs { 1, 2, 5 } do
    it(("loses that one at most, in the worker that publishes, %d in a row"):format(times),
      function() sweep(1, times) end)

    it(("loses that one at most, in the worker that gets it, %d in a row"):format(times),
      function() sweep(2, times) end)
  end
end)
