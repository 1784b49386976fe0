local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local function code_of(...)
  return (select(3, ...))
end

describe("a channel", function()
  it("hands values over in the order of their sending", function()
    life.run(function()
      for size = 0, 3 do
        local channel, got = neap.channel(size), {}
        neap.spawn(function()
          for i = 1, 10 do assert(channel:send(i)) end
          channel:close()
        end)
        for value in channel:values() do got[#got + 1] = value end
        assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, got)
      end
    end)
  end)

  it("holds as many as it may, and then its senders wait, first come first served", function()
    life.run(function()
      local channel, list = neap.channel(2), {}
      for i = 1, 5 do
        neap.spawn(function() channel:send(i); list[#list + 1] = i end)
      end
      neap.sleep(0)
      assert.same({ 1, 2 }, list)
      assert.equal(2, channel:count())
      for i = 1, 5 do assert.equal(i, channel:receive()) end
      neap.sleep(0)
      assert.same({ 1, 2, 3, 4, 5 }, list)
    end)
  end)

  it("serves receivers first come first served, false is a value too", function()
    life.run(function()
      local channel, list = neap.channel(), {}
      for i = 1, 3 do
        neap.spawn(function() list[i] = { channel:receive() } end)
      end
      neap.sleep(0)
      assert(channel:send "a")
      assert(channel:send(false))
      assert(channel:send "c")
      neap.sleep(0)
      assert.same({ { "a" }, { false }, { "c" } }, list)
    end)
  end)

  it("gives up at a time-out, and forgets the waiter and its value", function()
    life.run(function()
      local channel = neap.channel()
      assert.equal("timeout", code_of(channel:receive(0.01)))
      assert.equal("timeout", code_of(channel:send("lost", 0)))
      neap.spawn(function() channel:send "found" end)
      assert.equal("found", channel:receive())
      for _ = 1, 100 do channel:receive(0) end
      assert.is_true(channel.receivers:is_empty())
    end)
  end)

  it("loses no value that was handed to a task which is closed", function()
    life.run(function()
      local channel, got = neap.channel(), nil
      local handle = neap.spawn(function() channel:receive(); got = "by the first" end)
      neap.sleep(0)
      assert(channel:send "precious")
      core.kill(handle.task)
      neap.sleep(0)
      neap.spawn(function() got = channel:receive() end)
      neap.sleep(0)
      assert.equal("precious", got)
    end)
  end)

  it("refuses nil, wrong sizes and times at the script's line", function()
    life.run(function()
      local channel = neap.channel()
      for _, wrong in ipairs {
        function() channel:send() end, function() neap.channel(-1) end,
        function() neap.channel(1.5) end, function() channel:receive(-1) end,
        function() channel:send(1, "x") end, function() channel:receive(0 / 0) end,
      } do
        local ok, err = pcall(wrong)
        assert.is_false(ok)
        assert.matches("^spec/lifetime/channel_spec%.lua:%d+: ", err)
      end
    end)
  end)
end)

describe("the life of a channel", function()
  it("ends at close: what it holds can be taken, then all hear closed", function()
    life.run(function()
      local channel, codes = neap.channel(1), {}
      channel:send "last"
      neap.spawn(function() codes[1] = code_of(channel:send "too late") end)
      neap.sleep(0)
      channel:close()
      channel:close()
      neap.sleep(0)
      assert.same({ "closed" }, codes)
      assert.equal("last", channel:receive())
      assert.equal("closed", code_of(channel:receive()))
      assert.equal("closed", code_of(channel:send "x"))
      assert.equal("neap.channel (closed)", tostring(channel))
    end)
  end)

  it("never lets a loop around a closed one spin", function()
    life.run(function()
      local channel, turns = neap.channel(), 0
      channel:close()
      local scope = neap.scope()
      scope:spawn(function()
        while true do
          channel:receive()
          turns = turns + 1
        end
      end)
      life.wait_until(function() return turns > 1 end)
      scope:close()
    end)
  end)

  it("ends with a <close> variable, and with the scope it was made in", function()
    life.run(function()
      local codes, kept, scope = {}, nil, neap.scope()
      do
        local channel <close> = neap.channel()
        neap.spawn(function() codes[1] = code_of(channel:receive()) end)
        neap.sleep(0)
      end
      scope:spawn(function() kept = neap.channel() end)
      neap.sleep(0)
      neap.spawn(function() codes[2] = code_of(kept:receive()) end)
      neap.sleep(0)
      scope:close()
      neap.sleep(0)
      assert.same({ "closed", "closed" }, codes)
    end)
  end)

  it("is no business of its scope once it is dropped", function()
    life.run(function()
      local scope = neap.scope()
      scope:spawn(function()
        for _ = 1, 100 do neap.channel(1):send "x" end
      end)
      neap.sleep(0)
      life.collect()
      assert.is_nil(scope.last)
      scope:close()
    end)
  end)

  it("lets go of a task that waits on it, when that is cancelled", function()
    life.run(function()
      local codes, scope, channel = {}, neap.scope(), neap.channel()
      scope:spawn(function() codes[1] = code_of(channel:receive()) end)
      neap.sleep(0)
      scope:close()
      assert.same({ "cancelled" }, codes)
      assert.is_true(channel.receivers:is_empty())
    end)
  end)

  it("ends the task that waits on it when both are forgotten", function()
    life.run(function()
      local closed
      life.forget(function()
        neap.scope { within = {}, timeout = 0.05 }:spawn(function()
          local _ <close> = setmetatable({}, { __close = function() closed = true end })
          neap.channel():receive()
        end)
      end)
      life.wait_until(function() life.collect(); return closed end)
    end)
  end)

  it("ends with a state that is closed", function()
    local status, output = life.die [[
      local neap = require "neap"
      kept = neap.channel(1)
      neap.run(function()
        kept:send(1)
        neap.spawn(kept.send, kept, 2)
        local mine = neap.channel()
        neap.spawn(function() mine:receive() end)
        neap.sleep(0)
        os.exit(0, true)
      end)
    ]]
    assert.equal(0, status, output)
  end)
end)
