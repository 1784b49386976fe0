-- How a server starts and stops, seen from outside.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local ECHO = [[
local neap = require "neap"
local app = neap.app{}
app:ws("/", {message = function(_, data) return data end})
return app
]]

local RECEIPT =
  "neap: drained closed=(%d+) forced=(%d+) cancelled=(%d+) leaked=(%d+) took=%d+%.%d+\n$"

describe("a server", function()
  for _, signal in ipairs { "TERM", "INT" } do
    it("drains at SIG" .. signal .. ", says so, and ends with 0", function()
      local running <close> = server.start(ECHO)
      local clients = {}
      for i = 1, 5 do
        clients[i] = ws.connect(running.port)
        clients[i]:send "hello"
        assert.equal("hello", clients[i]:receive())
      end
      running:signal(signal)
      for _, client in ipairs(clients) do
        local code = client:read_close()
        assert.equal(1001, code)
        client:send_close(code)
        assert.is_true(client:is_ended())
        client:close()
      end
      local status, out = running:wait()
      local closed, forced, _, leaked = out:match(RECEIPT)
      assert.equal("5 0 0", table.concat({ closed, forced, leaked }, " "))
      assert.equal(0, status)
    end)
  end

  it("without connections stops at once", function()
    local running <close> = server.start(ECHO)
    local status, out = running:stop()
    assert.equal(0, status)
    assert.matches(RECEIPT, out)
  end)

  it("drops at the deadline those who never answer", function()
    local running <close> = server.start(ECHO, { "--drain", "0.5" })
    local silent <close> = ws.connect(running.port)
    running:signal "TERM"
    local status, out = running:wait()
    assert.equal(0, status)
    local _, forced, _, leaked = out:match(RECEIPT)
    assert.equal("1 0", forced .. " " .. leaked)
    assert.is_true(tonumber(out:match "took=([%d.]+)") < 4, out) -- its close has 5 s
    assert.equal(1001, (silent:read_close()))
  end)

  it("gives every descriptor back", function()
    local running <close> = server.start(ECHO)
    local before = running:descriptors()
    local clients = {}
    for i = 1, 20 do clients[i] = ws.connect(running.port) end
    assert.equal(before + 20, running:descriptors())
    for i, client in ipairs(clients) do client:close(i % 2 == 0) end
    local after
    for _ = 1, 1000 do
      after = running:descriptors()
      if after == before then break end
    end
    assert.equal(before, after)
  end)

  it("says in one line that its port is taken, and ends with 1", function()
    local running <close> = server.start(ECHO)
    local second <close> = server.start(ECHO,
      { listen = "http://127.0.0.1:" .. running.port, may_fail = true })
    local status, _, err = second:wait()
    assert.equal(1, status)
    local _, lines = err:gsub("\n", "\n")
    assert.equal(1, lines)
    assert.matches(tostring(running.port), err, 1, true)
  end)
end)

describe("64 connections", function()
  it("get all their messages back, in order", function()
    local running <close> = server.start(ECHO)
    local clients = {}
    for i = 1, 64 do clients[i] = ws.connect(running.port) end
    for round = 1, 20 do
      for i, client in ipairs(clients) do
        client:raw(ws.frame { opcode = 1, payload = i .. ":" .. round }
          .. ws.frame { opcode = 2, payload = ("b"):rep(i * round) })
      end
      for i, client in ipairs(clients) do
        assert.equal(i .. ":" .. round, client:receive())
        assert.equal(i * round, #client:receive())
      end
    end
    for _, client in ipairs(clients) do client:send_close(1000) end
    for _, client in ipairs(clients) do assert.equal(1000, (client:read_close())) end
    assert.equal(0, (running:stop()))
  end)
end)
