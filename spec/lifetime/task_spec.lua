local core = require "neap.core"
local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"

local function logged(fn)
  local lines = {}
  log.configure { write = function(line) lines[#lines + 1] = line end }
  local ok, err = pcall(fn)
  log.configure { write = function(line) io.stderr:write(line) end }
  if not ok then error(err, 0) end
  return table.concat(lines)
end

local function on_close(fn)
  return setmetatable({}, { __close = fn })
end

-- What fn raises; luassert's own way takes the line off.
local function complaint(fn)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  return err
end

local function code_of(...)
  return (select(3, ...))
end

describe("a task whose scope ends", function()
  it("hears cancelled once, and its next wait is its last", function()
    life.run(function()
      local list, scope = {}, neap.scope()
      scope:spawn(function()
        local _ <close> = on_close(function() list[#list + 1] = "closed" end)
        local ok, message, code = neap.sleep(60)
        list[#list + 1] = ok == nil and type(message) == "string" and code
        neap.sleep(60)
        list[#list + 1] = "never"
      end)
      neap.sleep(0)
      scope:close()
      assert.same({ "cancelled", "closed" }, list)
    end)
  end)

  it("ends though it loops for ever, and never spins", function()
    life.run(function()
      local turns, scope = 0, neap.scope()
      scope:spawn(function()
        while true do
          neap.sleep(1)
          turns = turns + 1
        end
      end)
      neap.sleep(0)
      scope:close()
      assert.equal(1, turns)
    end)
  end)

  it("is told at its next wait when it waits for nothing just now", function()
    life.run(function()
      local codes, scope = {}, neap.scope()
      scope:spawn(function()
        for _ = 1, 3 do coroutine.yield() end
        codes[#codes + 1] = code_of(neap.sleep(60))
        codes[#codes + 1] = code_of(neap.sleep(60))
      end)
      neap.sleep(0)
      scope:close()
      assert.same({ "cancelled" }, codes)
    end)
  end)

  it("gets cancelled at once from every wait while it is being closed", function()
    life.run(function()
      local codes, scope = {}, neap.scope()
      local other = neap.scope()
      other:spawn(function() other:shield(1, function() neap.sleep(0.05) end) end)
      scope:spawn(function()
        local _ <close> = on_close(function()
          codes[1] = code_of(neap.sleep(60))
          codes[2] = code_of(neap.channel():receive())
          other:close()
          codes[3] = "on"
        end)
        neap.sleep(60)
        neap.sleep(60)
      end)
      neap.sleep(0)
      scope:close()
      assert.same({ "cancelled", "cancelled", "on" }, codes)
      other:close()
    end)
  end)

  it("has its <close> variables closed in reverse order, and each is heard", function()
    local list = {}
    local text = logged(function()
      life.run(function()
        local scope = neap.scope()
        scope:spawn(function()
          local _ <close> = on_close(function() list[#list + 1] = 1 end)
          local _ <close> = on_close(function() list[#list + 1] = 2; error "close failed" end)
          local _ <close> = on_close(function() list[#list + 1] = 3 end)
          neap.sleep(60)
          neap.sleep(60)
        end)
        neap.sleep(0)
        scope:close()
      end)
    end)
    assert.same({ 3, 2, 1 }, list)
    assert.truthy(text:find("close failed", 1, true))
  end)

  it("runs its first part though the scope closed before its turn", function()
    life.run(function()
      local codes, scope = {}, neap.scope()
      scope:spawn(function() codes[1] = code_of(neap.sleep(60)) end)
      scope:close()
      assert.same({ "cancelled" }, codes)
    end)
  end)

  it("is cancelled wherever it waits: for a scope, a place, a connection", function()
    life.run(function(world)
      world:ws("/", { open = function() end })
      local conn, lock = world:connect "/", neap.lock()
      local held = lock:acquire()
      local codes, scope = {}, neap.scope()
      for i, wait in ipairs {
        function() return conn:receive() end,
        function() return conn:wait_closed() end,
        function() return conn:ping "x" end,
        function() return neap.channel():receive() end,
        function() return neap.channel():send(1) end,
        function() return lock:acquire() end,
        function() return neap.connect("ws://127.0.0.1:" .. world:port()) end,
      } do
        scope:spawn(function() codes[i] = code_of(wait()) end)
      end
      conn:pause()
      neap.sleep(0)
      scope:close()
      for i = 1, 7 do assert.is_true(codes[i] == "cancelled" or i == 3, i) end
      held:close()
      conn:close()
      conn:resume()
      conn:wait_closed(10)
    end)
  end)
end)

describe("a task that fails", function()
  it("runs its <close> variables before its scope goes on", function()
    local list = {}
    logged(function()
      life.run(function()
        local scope = neap.scope { on_error = function(err)
          list[#list + 1] = err
        end }
        scope:own { close = function() list[#list + 1] = "owned" end }
        scope:spawn(function()
          local _ <close> = on_close(function(_, err) list[#list + 1] = err end)
          error("boom", 0)
        end)
        scope:close()
      end)
    end)
    assert.same({ "boom", "boom", "owned" }, list)
  end)

  it("makes neap.run end the others and raise it, with the traceback", function()
    local closed
    local ok, err = pcall(neap.run, function()
      neap.spawn(function()
        local _ <close> = on_close(function() closed = true end)
        while true do neap.sleep(1) end
      end)
      neap.scope():spawn(function()
        neap.sleep(0)
        error "deep down"
      end)
      neap.sleep(60)
    end)
    assert.is_false(ok)
    assert.truthy(err:find "^spec/lifetime/task_spec%.lua:%d+: deep down\nstack traceback:")
    assert.is_true(closed)
    life.check_census()
  end)

  it("may raise a value of any kind", function()
    local thrown = { code = 7 }
    local ok, err = pcall(neap.run, function() error(thrown) end)
    assert.is_false(ok)
    assert.equal(thrown, err)
    local bad = setmetatable({}, { __tostring = function() error "no text" end })
    ok, err = pcall(neap.run, function() error(bad) end)
    assert.is_false(ok)
    assert.equal(bad, err)
    life.check_census()
  end)

  it("leaves the second error to the log", function()
    local text = logged(function()
      assert.error_matches(function()
        neap.run(function()
          local _ <close> = on_close(function() error "on the way out" end)
          neap.spawn(function() neap.sleep(0); error "second" end)
          neap.spawn(function() error "first" end)
          neap.sleep(60)
          neap.sleep(60)
        end)
      end, "first")
    end)
    assert.truthy(text:find("on the way out", 1, true))
    life.check_census()
  end)

  it("closes its connection with 1011, and is logged", function()
    local text = logged(function()
      life.run(function(world)
        world:ws("/", { open = function(conn)
          conn:child { label = "mine" }:spawn(function() error "in the child" end)
        end })
        local why = world:connect("/"):wait_closed(10)
        assert.equal(1011, why.code)
      end)
    end)
    assert.truthy(text:find("in the child", 1, true))
    assert.truthy(text:find("stack traceback", 1, true))
  end)

  it("is logged when it belongs to the app, which goes on", function()
    local text = logged(function()
      life.run(function(world)
        world:ws("/", { message = function(_, data) return data end })
        world.app:spawn(function() error "in the app" end)
        neap.sleep(0.01)
        local client = world:connect "/"
        client:send "still here"
        assert.equal("still here", client:receive(10))
      end)
    end)
    assert.truthy(text:find("in the app", 1, true))
  end)
end)

describe("a connection's end", function()
  it("closes its scope before the close callback runs", function()
    life.run(function(world)
      local list = {}
      world:ws("/", {
        open = function(conn)
          conn:defer(function() list[#list + 1] = "hook" end)
          conn:spawn(function()
            local _ <close> = on_close(function() list[#list + 1] = "task" end)
            conn:shield(1, function() neap.sleep(0.05) end)
          end)
        end,
        close = function(conn, why)
          list[#list + 1] = why.cause
          neap.sleep(0.01)
          list[#list + 1] = conn.state
        end,
      })
      world:connect("/"):close()
      life.wait_until(function() return #list == 4 end)
      assert.same({ "task", "hook", "closed", "closed" }, list)
    end)
  end)

  it("leaves no close callback that waits for ever", function()
    life.run(function(world)
      local began, ended
      world:ws("/", { close = function()
        local _ <close> = on_close(function() ended = true end)
        began = true
        while true do neap.sleep(1) end
      end })
      world:connect("/"):close()
      life.wait_until(function() return began end)
      world.app.scope:close()
      assert.is_true(ended)
    end)
  end)
end)

describe("neap.run", function()
  it("waits for what was spawned, also in the scopes below", function()
    local list = {}
    local result = neap.run(function()
      neap.spawn(function() neap.sleep(0.02); list[#list + 1] = "task" end)
      neap.scope():spawn(function() neap.sleep(0.04); list[#list + 1] = "below" end)
      neap.scope():every(60, print)
      return "result"
    end)
    assert.equal("result", result)
    assert.same({ "task", "below" }, list)
    life.check_census()
  end)

  it("returns all that the function returned, nil too", function()
    assert.same({ n = 3, nil, 2, nil },
      table.pack(neap.run(function(...) return nil, ..., nil end, 2)))
  end)

  it("cancels tasks that nothing can wake, and says so", function()
    local code, closed
    local text = logged(function()
      neap.run(function()
        local _ <close> = on_close(function() closed = true end)
        code = code_of(neap.channel():receive())
      end)
    end)
    assert.equal("cancelled", code)
    assert.is_true(closed)
    assert.truthy(text:find("nothing can wake", 1, true))
    life.check_census()
  end)

  it("leaves no task behind when the loop is stopped", function()
    local closed
    local _, _, code = neap.run(function()
      local _ <close> = on_close(function() closed = true end)
      core.stop()
      while true do neap.sleep(1) end
    end)
    assert.is_true(closed)
    assert.equal("cancelled", code)
    life.check_census()
  end)

  it("is refused inside a task, and in a coroutine", function()
    neap.run(function()
      assert.matches("^spec/lifetime/task_spec%.lua:%d+: neap%.run: the loop is running already",
        complaint(function() neap.run(print) end))
    end)
    local _, err = coroutine.resume(coroutine.create(function() neap.run(print) end))
    assert.truthy(err:find("^spec/lifetime/task_spec%.lua:%d+: neap%.run: call it from the main"))
    life.check_census()
  end)
end)

describe("a wait where none can be", function()
  local WAITS = {
    sleep = function() neap.sleep(1) end,
    receive = function() neap.channel():receive() end,
    send = function() neap.channel():send(1) end,
    acquire = function()
      local lock = neap.lock()
      lock:acquire()
      lock:acquire()
    end,
  }

  for name, wait in pairs(WAITS) do
    it("says in the main chunk what to do: " .. name, function()
      assert.matches("^spec/lifetime/task_spec%.lua:%d+: .*wrap it in neap%.run%(function%(%)",
        complaint(wait))
    end)

    it("says in a coroutine of the script's own what to do: " .. name, function()
      life.run(function()
        local co = coroutine.create(wait)
        local ok, err = coroutine.resume(co)
        assert.is_false(ok)
        assert.truthy(err:find("^spec/lifetime/task_spec%.lua:%d+: .*a coroutine of your own"), err)
        coroutine.close(co)
      end)
    end)
  end

  it("raises in a finaliser and under a C function, and harms nothing", function()
    life.run(function()
      local err, _
      setmetatable({}, { __gc = function() _, err = pcall(neap.sleep, 1) end })
      life.collect()
      assert.truthy(err:find("finaliser", 1, true))
      _, err = pcall(table.sort, { 2, 1 }, function() neap.sleep(1) end)
      assert.truthy(err:find("a function that C calls", 1, true))
      assert.is_true(neap.sleep(0.01))
    end)
  end)

  it("points at the script's line when its argument is wrong", function()
    life.run(function()
      for _, wrong in ipairs { function() neap.sleep "x" end, function() neap.sleep(-1) end,
        function() neap.sleep(0 / 0) end, function() neap.spawn(5) end } do
        assert.matches("^spec/lifetime/task_spec%.lua:%d+: ", complaint(wrong))
      end
    end)
    assert.matches("^spec/lifetime/task_spec%.lua:%d+: .*: wrap it",
      complaint(function() neap.spawn(print) end))
    assert.matches("^spec/lifetime/task_spec%.lua:%d+: neap.run's argument",
      complaint(function() neap.run(5) end))
  end)
end)

describe("a task's handle", function()
  it("ends its task when it is closed, and waits for that", function()
    life.run(function()
      local list = {}
      local handle = neap.spawn(function()
        local _ <close> = on_close(function() list[#list + 1] = "closed" end)
        neap.sleep(60)
        neap.sleep(60)
      end)
      neap.sleep(0)
      handle:close()
      assert.same({ "closed" }, list)
      handle:close()
      assert.equal("neap.task (closed)", tostring(handle))
    end)
  end)

  it("may be closed by two, and by the task itself", function()
    life.run(function()
      local list, handle = {}, nil
      handle = neap.spawn(function()
        handle:close()
        list[#list + 1] = "on"
        list[#list + 1] = code_of(neap.sleep(60))
        neap.sleep(60)
      end)
      neap.sleep(0)
      neap.spawn(function() handle:close(); list[#list + 1] = "other" end)
      handle:close()
      neap.sleep(0)
      assert.same({ "on", "cancelled", "other" }, list)
    end)
  end)

  it("ends its task with a <close> variable", function()
    life.run(function()
      local ended
      do
        local _ <close> = neap.spawn(function()
          local _ <close> = on_close(function() ended = true end)
          neap.sleep(60)
          neap.sleep(60)
        end)
        neap.sleep(0)
      end
      assert.is_true(ended)
    end)
  end)

  it("lets its task run on when it is dropped", function()
    life.run(function()
      local ended
      life.forget(function()
        neap.spawn(function() neap.sleep(0.05); ended = true end)
      end)
      for _ = 1, 8 do life.collect(); neap.sleep(0.01) end
      assert.is_true(ended)
    end)
  end)
end)

describe("a task that is garbage", function()
  it("is closed in the turn that finds it, in whatever state", function()
    life.run(function(world)
      world:ws("/", { open = function() end })
      local closed = 0
      life.forget(function()
        local conn = world:connect "/"
        local function hold() local _ <close> = on_close(function() closed = closed + 1 end) end
        conn:spawn(function()
          local _ <close> = on_close(function() closed = closed + 1 end)
          conn:receive()
        end)
        conn:spawn(function()
          local _ <close> = on_close(function() closed = closed + 1 end)
          while true do coroutine.yield(); collectgarbage() end
        end)
        conn:spawn(function()
          local _ <close> = on_close(function() closed = closed + 1 end)
          neap.channel():receive()
          hold()
        end)
        neap.sleep(0)
      end)
      life.wait_until(function() life.collect(); return closed == 3 end, "their ends")
    end)
  end)
end)

describe("tasks of a state that is closed", function()
  local STATES = {
    ready = "neap.spawn(hold)",
    parked = "neap.spawn(hold) neap.sleep(0)",
    shielded = "neap.spawn(function() s:shield(60, hold) end) neap.sleep(0) s:cancel()",
    dying = "s:spawn(hold) neap.sleep(0) neap.spawn(s.close, s)",
    yielding = "neap.spawn(function() while true do coroutine.yield() end end)",
  }

  for name, state in pairs(STATES) do
    it("leave nothing: " .. name, function()
      local status, output = life.die(([[
        local neap = require "neap"
        neap.run(function()
          s = neap.scope()
          local function hold()
            local _ <close> = setmetatable({}, { __close = function() neap.sleep(1) end })
            neap.sleep(60)
          end
          %s
          os.exit(0, true)
        end)
      ]]):format(state))
      assert.equal(0, status, output)
      assert.is_nil(output:find "Sanitizer", output)
    end)
  end
end)
