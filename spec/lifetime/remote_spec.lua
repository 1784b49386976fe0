-- The handle of another worker's connection: it owns nothing there, and holds
-- nothing here.

local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{}
local kept = {}

local how = {}

function how.closed(id)
  local other = neap.get(id)
  other:close(4001, "first")
  other:close(4002, "second")
end

function how.scope(id)
  local _ <close> = neap.get(id)
end

function how.failed_scope(id)
  pcall(function()
    local _ <close> = neap.get(id)
    error "passes by"
  end)
end

function how.owned(id)
  local scope = neap.scope()
  scope:own(neap.get(id))
  scope:close()
end

function how.dropped(id)
  for _ = 1, 1000 do neap.get(id) end
  collectgarbage()
  collectgarbage()
end

function how.forgotten(id) -- what it was given is still on its way
  neap.get(id):send "sent, then forgotten"
  collectgarbage()
end

function how.used_after(id)
  local other = neap.get(id)
  other:terminate()
  neap.sleep(0.1)
  return ("%s %s %s"):format(tostring(other:send "late"),
    tostring((other:close())), tostring((other:terminate())))
end

function how.kept(id)
  kept[1] = neap.get(id)
  kept[1]:send "kept"
end

function how.misused(id)
  local _, message = pcall(function() return neap.get(id):receive() end)
  return message
end

function how.wrong(id)
  local _, _, code = neap.get(neap.worker.count * 1000 + neap.worker.index - 1)
  local text, _, utf8 = neap.get(id):send "\xff"
  return code .. " " .. tostring(text) .. " " .. utf8
end

app:ws("/", {
  open = function(conn) conn:send(neap.worker.index .. " " .. conn.id) end,
  message = function(conn, data)
    local name, id = data:match "^(%S+) (%d+)$"
    return tostring((how[name](tonumber(id))))
  end,
})
return app
]]

describe("a remote handle", function()
  local running, here, there, id

  local function connect(wanted)
    for _ = 1, 200 do
      local client = ws.connect(running.port, "/")
      local index, number = client:receive():match "^(%d) (%d+)$"
      if index == wanted then return client, number end
      client:close()
    end
  end

  setup(function() running = server.start(SCRIPT, { "--workers", "2", "--leaks", "error" }) end)

  before_each(function()
    here = connect "1"
    there, id = connect "2"
  end)

  after_each(function()
    here:close()
    there:close()
  end)

  teardown(function()
    local status, out, err = running:stop()
    assert.equal(0, status, err)
    assert.matches("leaked=0", out, 1, true)
  end)

  local function ask(name)
    here:send(name .. " " .. id)
    return here:receive()
  end

  it("closes its connection once, however often it is told to", function()
    assert.equal("nil", ask "closed")
    assert.equal("4001 first", table.concat({ there:read_close() }, " "))
  end)

  for name, code in pairs { scope = 1000, failed_scope = 1011, owned = 1000 } do
    it("closes its connection at the end of its scope: " .. name, function()
      assert.equal("nil", ask(name))
      assert.equal(code, (there:read_close()))
    end)
  end

  it("does nothing to its connection when it is dropped", function()
    assert.equal("nil", ask "dropped")
    there:send("kept " .. id)
    assert.is_truthy(there:receive())
  end)

  it("may be forgotten while a message is on its way", function()
    assert.equal("nil", ask "forgotten")
    assert.equal("sent, then forgotten", there:receive())
  end)

  it("answers when its connection has long ended", function()
    assert.equal("true nil nil", ask "used_after")
    assert.is_true(there:is_ended())
  end)

  it("may be alive when the state is closed", function()
    assert.equal("nil", ask "kept") -- the rest is in teardown
    assert.equal("kept", there:receive())
  end)

  it("says what it can't do, and where its connection is", function()
    assert.matches("belongs to worker 2: from here it has only send", ask "misused", 1, true)
  end)

  it("refuses what can't be sent, and finds no connection that is not open", function()
    assert.equal("closed nil protocol", ask "wrong")
  end)
end)
