-- What a connection has only while something is under way, and what it costs when
-- nothing is.

local core = require "neap.core"
local life = require "spec.support.life"
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app()
app:ws("/", {message = function(_, data) return data end})
return app
]]

-- What comes of a frame in these pieces: a part of the head, of the payload, the
-- next fragment's head.
local function pieces(letter)
  local bytes = ws.frame { opcode = ws.TEXT, payload = letter:rep(200), fin = false }
    .. ws.frame { opcode = ws.PING, payload = letter:rep(100) }
    .. ws.frame { opcode = ws.CONTINUATION, payload = letter:rep(50) }
  local cut = { 1, 3, 60, 208, 210, 250, 320, #bytes }
  local parts, from = {}, 1
  for i, to in ipairs(cut) do parts[i], from = bytes:sub(from, to), to + 1 end
  return parts
end

describe("a connection", function()
  it("is in the midst of its own message, whatever others send", function()
    local running <close> = server.start(SCRIPT)
    local slow, letters = {}, { "a", "b", "c" }
    local quick <close> = ws.connect(running.port)
    for i in ipairs(letters) do slow[i] = ws.connect(running.port) end
    for step = 1, #pieces "a" do
      for i, letter in ipairs(letters) do slow[i]:raw(pieces(letter)[step]) end
      quick:raw(ws.frame { opcode = ws.TEXT, payload = "whole " .. step })
      assert.equal("whole " .. step, (quick:receive()))
    end
    for i, letter in ipairs(letters) do
      assert.equal(letter:rep(100), slow[i]:read().payload)
      assert.equal(letter:rep(250), (slow[i]:receive()))
      slow[i]:close()
    end
  end)

  it("takes 240 bytes of the core while it is idle", function()
    life.run(function(world)
      world:ws("/", {})
      local client <close> = world:connect "/"
      local count = core.counts().conn
      assert.equal(2, count.live)
      assert.is_true(count.bytes / count.live <= 240, count.bytes)
      assert.equal("open", client.state)
    end)
  end)
end)
