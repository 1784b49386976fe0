-- How often Lua collects is the server's while it runs, unless the script says so.

local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{}
%s
app:ws("/", {message = function(_, data)
  if data == "mode" then
    local before = collectgarbage "incremental"
    collectgarbage(before)
    return before
  end
  local pause = collectgarbage("setpause", 200)
  collectgarbage("setpause", pause)
  return tostring(pause)
end})
return app
]]

local function ask(text, what)
  local running <close> = server.start(SCRIPT:format(text))
  local client <close> = ws.connect(running.port)
  client:send(what)
  return (client:receive())
end

describe("a running server", function()
  it("collects incrementally, whatever the interpreter began with", function()
    assert.equal("incremental", ask("", "mode"))
  end)

  it("lets a small heap grow by more than it holds", function()
    assert.is_true(tonumber(ask("", "pause")) > 200)
  end)

  -- Under what watches each access nothing comes fast enough.
  local watcher = (os.getenv "NEAP_PRELOAD" or "") .. (os.getenv "NEAP_WRAP" or "")
  local may_hurry = watcher == "" and it or function() end

  may_hurry("lets it grow by more, where messages make much of it", function()
    local running <close> = server.start(SCRIPT:format "")
    local client <close> = ws.connect(running.port)
    local large = ws.frame { opcode = ws.BINARY, payload = ("?"):rep(1 << 20) }
    local function ask_pause()
      client:raw(large)
      return tonumber((client:receive()))
    end
    local first = ask_pause()
    local deadline, pause = os.time() + 60
    repeat pause = ask_pause() until pause > first or os.time() > deadline
    assert.is_true(pause > first)
  end)

  it("leaves the pace of a heap that is large to Lua's default", function()
    assert.equal("200", ask("heap = {} for i = 1, 2e5 do heap[i] = {} end", "pause"))
  end)
end)
