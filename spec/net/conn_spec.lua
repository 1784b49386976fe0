-- What a handler can do with its connection, seen from the client's side.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{limits = {queue = "256K"}, timeouts = {close = 1}}
local ended = {}                          -- what ran at the end of connections

app:ws("/task", function(conn)
  local first = conn:receive()
  conn:send("first " .. first)
  for data, kind in conn:messages() do
    conn:send(kind .. " " .. data)
    if data == "last" then break end
  end
  conn:close(4000, "done")
end)

app:ws("/waits", function(conn)
  local before = neap.now()
  neap.sleep(0.05)
  conn:text(neap.now() - before >= 0.045 and "slept" or "did not")
  local data, message, code = conn:receive(0.05)
  conn:text(tostring(data) .. " " .. type(message) .. " " .. tostring(code))
end)

app:ws("/two-receivers", function(conn)
  conn:spawn(function()
    neap.sleep(0.01)
    local _, _, code = conn:receive()
    conn:send("second: " .. code)
  end)
  conn:receive()
end)

app:ws("/timers", {open = function(conn)
  local ticks = 0
  conn:after(0.02, function() conn:send "after" end)
  conn:every(0.02, function()
    ticks = ticks + 1
    conn:send("tick " .. ticks)
    if ticks == 3 then conn:close(4000) end
  end)
end})

app:ws("/own", function(conn)
  local function closable(name)
    return {close = function() ended[#ended + 1] = name end}
  end
  local variable <close> = setmetatable({}, {
    __close = function() ended[#ended + 1] = "local" end,
  })
  conn:own(closable "owned first")
  conn:defer(function(why) ended[#ended + 1] = "hook " .. why.cause end)
  conn:defer(function() error "a hook that fails" end)
  conn:own(closable "owned last")
  conn:send "ready"
  conn:receive()
end)

app:ws("/data", {open = function(conn)
  conn.data = "one"
  conn:defer(function() end)
  local before = conn.data
  conn.data = "two"
  conn:send(before .. " " .. conn.data)
end})

local kept = {}

app:ws("/keep", {message = function(conn, data)
  conn.data = data ~= "" and data or nil
  kept[#kept + 1] = conn
end})

app:ws("/kept", function(conn)
  for _, other in ipairs(kept) do
    local first = other.data
    conn:send(("%s %s %s"):format(other.state, first, other:wait_closed(5).cause))
    other.data = "later"
    conn:send(other.data .. " " .. (other.id < conn.id and "older" or "newer"))
  end
end)

app:ws("/ended", {open = function(conn)
  conn:send(table.concat(ended, ", "))
  ended = {}
end})

app:ws("/topic/:name", {
  open = function(conn, req)
    conn:subscribe(req.params.name)
    conn:send("in " .. table.concat(conn:topics(), " "))
  end,
  message = function(conn, data)
    local topic = conn:topics()[1]
    if data == "leave" then
      conn:unsubscribe(topic)
      return "left"
    end
    conn:publish(topic, data)
    return "sent"
  end,
})

app:ws("/floods", {message = function(conn)
  local ok, message, code
  repeat ok, message, code = conn:send(("x"):rep(60000)) until not ok
  ended[#ended + 1] = code
end})

app:ws("/too-big", {message = function(conn)
  local ok, message, code = conn:send(("x"):rep(300000))
  return tostring(ok) .. " " .. code
end})

app:ws("/fields", {
  accept = function() return {note = "from accept"} end,
  open = function(conn, req)
    local same = conn.request == req and "same" or "other"
    local address = conn.remote:match "^[%d.]+"
    conn:send(table.concat({conn.state, conn.data.note, type(conn.id), same, address}, " "))
  end,
  message = function(conn)
    return tostring(conn.request) .. " " .. tostring(conn):match "^[%a.]+"
  end,
})

app:ws("/pings", function(conn)
  local seconds = conn:ping "are you there?"
  conn:send(math.type(seconds))
  conn:receive()
end)

app:ws("/counts", function(conn)
  conn:spawn(function() conn:ping() end)
  conn:ping()
  conn:send "both"
  conn:receive()
end)

app:ws("/json", {message = function(conn) conn:json{tide = "low", metres = 2} end})

app:ws("/closed", {
  open = function(conn) conn:close(4000) end,
  close = function(conn)
    local codes = {}
    local function note(ok, _, code)
      codes[#codes + 1] = tostring(ok) .. " " .. tostring(code)
    end
    note(conn:send "x")
    note(conn:binary "x")
    note(conn:json {})
    note(conn:ping())
    note(conn:receive())
    note(conn:subscribe "x")
    note(conn:publish("x", "y"))
    ended[#ended + 1] = table.concat(codes, ", ") .. ", " .. conn.state
  end,
})
return app
]]

describe("a connection", function()
  local running, port

  setup(function()
    running = server.start(SCRIPT)
    port = running.port
  end)

  teardown(function() running:stop() end)

  local function ended()
    for _ = 1, 2000 do
      local client <close> = ws.connect(port, "/ended")
      local text = client:receive()
      if text ~= "" then return text end
    end
  end

  it("is read by its task, message by message", function()
    local client <close> = ws.connect(port, "/task")
    client:send "one"
    client:send("two", ws.BINARY)
    client:send "last"
    client:send "never read"
    assert.equal("first one", client:receive())
    assert.equal("binary two", client:receive())
    assert.equal("text last", client:receive())
    local code, reason = client:read_close()
    assert.equal("4000 done", code .. " " .. reason)
  end)

  it("lets its task sleep, and wait for a while only", function()
    local client <close> = ws.connect(port, "/waits")
    assert.equal("slept", client:receive())
    assert.equal("nil string timeout", client:receive())
    assert.equal(1000, (client:read_close()))
  end)

  it("has one reader at a time", function()
    local client <close> = ws.connect(port, "/two-receivers")
    assert.equal("second: busy", client:receive())
  end)

  it("has timers, which end with it", function()
    local client <close> = ws.connect(port, "/timers")
    local heard = {}
    for i = 1, 4 do heard[i] = client:receive() end
    table.sort(heard)
    assert.same({ "after", "tick 1", "tick 2", "tick 3" }, heard)
    assert.equal(4000, (client:read_close()))
  end)

  for how, cause in pairs { close = "closed", reset = "reset", fin = "eof" } do
    it("ends what it owns in reverse, also when a hook fails: " .. how, function()
      ws.connect(port, "/ended"):close()
      do
        local client <close> = ws.connect(port, "/own")
        assert.equal("ready", client:receive())
        if how == "close" then
          client:send_close(1000)
          client:read_close()
        end
        client:close(how == "reset")
      end
      assert.equal("local, owned last, hook " .. cause .. ", owned first", ended())
      assert.matches("a hook that fails", running:log(), 1, true)
    end)
  end

  it("publishes to all of a topic but itself", function()
    local one <close> = ws.connect(port, "/topic/tide")
    local two <close> = ws.connect(port, "/topic/tide")
    local other <close> = ws.connect(port, "/topic/wind")
    for _, client in ipairs { one, two } do
      assert.equal("in tide", client:receive())
    end
    assert.equal("in wind", other:receive())
    one:send "high"
    assert.equal("sent", one:receive())
    assert.equal("high", two:receive())
    two:send "leave"
    assert.equal("left", two:receive())
    one:send "low"
    assert.equal("sent", one:receive())
    for _, client in ipairs { two, other } do
      client:raw(ws.frame { opcode = ws.PING, payload = "nothing before" })
      assert.equal("nothing before", client:read().payload)
    end
  end)

  it("that nobody reads from is closed with 1013", function()
    ws.connect(port, "/ended"):close()
    local client <close> = ws.connect(port, "/floods")
    client:send "go"
    assert.equal("overflow", ended())
    assert.equal(1013, (client:read_close()))
  end)

  it("refuses a message over the queue's limit, and stays open", function()
    local client <close> = ws.connect(port, "/too-big")
    client:send "go"
    assert.equal("nil too_big", client:receive())
  end)

  it("knows where it comes from, and forgets its request", function()
    local client <close> = ws.connect(port, "/fields")
    assert.equal("open from accept number same 127.0.0.1", client:receive())
    client:send "later"
    assert.equal("nil neap.conn", client:receive())
  end)

  it("keeps its data beside its scope, and behind its end", function()
    local client <close> = ws.connect(port, "/data")
    assert.equal("one two", client:receive())
    for _, data in ipairs { "mine", "" } do
      local kept = ws.connect(port, "/keep")
      kept:send(data)
      kept:send_close(1000)
      kept:read_close()
      kept:close()
    end
    local later <close> = ws.connect(port, "/kept")
    assert.equal("closed mine closed", later:receive())
    assert.equal("later older", later:receive())
    assert.equal("closed nil closed", later:receive())
    assert.equal("later older", later:receive())
  end)

  it("measures a ping's round trip", function()
    local client <close> = ws.connect(port, "/pings")
    local ping = client:read()
    assert.matches("^are you there%?", ping.payload)
    client:raw(ws.frame { opcode = ws.PONG, payload = ping.payload })
    assert.equal("float", client:receive())
  end)

  it("counts its own pings, and not those of others", function()
    for _ = 1, 2 do
      local client <close> = ws.connect(port, "/counts")
      assert.equal("1", client:read().payload)
      assert.equal("2", client:read().payload)
      client:raw(ws.frame { opcode = ws.PONG, payload = "2" })
      client:raw(ws.frame { opcode = ws.PONG, payload = "1" })
      assert.equal("both", client:receive())
    end
  end)

  it("sends JSON", function()
    local client <close> = ws.connect(port, "/json")
    client:send "?"
    assert.same({ tide = "low", metres = 2 }, require "dkjson".decode((client:receive())))
  end)

  it("answers \"closed\" to everything once it is", function()
    ws.connect(port, "/ended"):close()
    do
      local client <close> = ws.connect(port, "/closed")
      client:read_close()
      client:send_close(4000)
      assert.is_true(client:is_ended())
    end
    assert.equal(("nil closed, "):rep(7) .. "closed", ended())
  end)
end)
