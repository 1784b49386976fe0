-- Handlers that fail, or close their own connection, on a real server.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{}
local ends = {}                      -- how connections of /watched ended

app:ws("/echo", {message = function(_, data) return data end})
app:ws("/fails-on-open", {open = function() error "no sea today" end})
app:ws("/fails-on-message", {message = function() error "no wind today" end})
app:ws("/fails-on-close", {
  message = function(_, data) return data end,
  close = function() error "too late" end,
})
app:ws("/fails-as-task", function(conn)
  conn:receive()
  error "no tide today"
end)
app:ws("/fails-in-a-spawned-task", {message = function(conn)
  conn:spawn(function() error "no crew today" end)
end})
app:ws("/replies-no-text", {message = function() return "\255" end})
app:ws("/replies-too-much", {
  limits = {queue = 1000}, message = function() return ("x"):rep(1001) end,
})
app:ws("/fails-with-a-table", {message = function() error({}) end})
app:ws("/reports", {
  message = function() error "reported" end,
  error = function(conn, err, trace)
    conn:send("seen: " .. tostring(err):match "[%a]+$" .. " " .. type(trace))
  end,
})
app:ws("/returns", function(conn) conn:send "bye" end)

local function close_twice(conn)
  conn:close(4001, "enough")
  conn:close(4002, "again")
end

app:ws("/twice-on-open", {open = close_twice})
app:ws("/twice-on-message", {message = close_twice})
app:ws("/twice-on-close", {
  message = function(conn) conn:close(4001, "enough") end,
  close = close_twice,
})
app:ws("/twice-as-task", function(conn) conn:receive() close_twice(conn) end)
app:ws("/terminates", {message = function(conn)
  conn:terminate()
  conn:terminate()
  conn:close()
  return "not sent"
end})
app:ws("/closes-and-sends", {message = function(conn)
  conn:send "before"
  conn:close(4001)
  local ok, _, code = conn:send "after"
  ends[#ends + 1] = tostring(ok) .. " " .. tostring(code)
end})
app:ws("/watched", {close = function(_, why)
  ends[#ends + 1] = ("%s %s %s %s"):format(why.cause, why.code, why.clean, why.by)
end})
app:ws("/ends", {open = function(conn)
  conn:send(table.concat(ends, "|"))
end})
return app
]]

describe("a handler", function()
  local running, port

  setup(function()
    running = server.start(SCRIPT)
    port = running.port
  end)

  teardown(function() running:stop() end)

  local function code_of(path)
    local client <close> = ws.connect(port, path)
    client:send "hello"
    local code, reason = client:read_close()
    if code then client:send_close(code) end
    assert.is_true(client:is_ended())
    return code, reason
  end

  local function ends()
    local client <close> = ws.connect(port, "/ends")
    return client:receive()
  end

  for _, path in ipairs {
    "/fails-on-open", "/fails-on-message", "/fails-as-task", "/fails-with-a-table",
    "/fails-in-a-spawned-task", "/replies-no-text", "/replies-too-much",
  } do
    it("that fails closes its connection with 1011: " .. path, function()
      local bystander <close> = ws.connect(port, "/echo")
      assert.equal(1011, (code_of(path)))
      bystander:send "hello"
      assert.equal("hello", bystander:receive())
    end)
  end

  it("that fails is logged with its message, place and traceback", function()
    code_of "/fails-on-message"
    local log = running:log()
    assert.matches("no wind today", log, 1, true)
    assert.matches("traceback", log, 1, true)
  end)

  it("whose reply cannot be sent is told why", function()
    code_of "/replies-no-text"
    code_of "/replies-too-much"
    local log = running:log()
    assert.matches("the reply is no UTF-8", log, 1, true)
    assert.matches("the reply is larger than limits.queue", log, 1, true)
  end)

  it("that fails in close is logged, and stops nothing", function()
    do
      local client <close> = ws.connect(port, "/fails-on-close")
      client:send_close(1000)
      assert.equal(1000, (client:read_close()))
    end
    local client <close> = ws.connect(port, "/echo")
    client:send "hello"
    assert.equal("hello", client:receive())
    assert.matches("too late", running:log(), 1, true)
  end)

  it("may hear of its error, with a trace", function()
    local client <close> = ws.connect(port, "/reports")
    client:send "hello"
    assert.equal("seen: reported string", client:receive())
    assert.equal(1011, (client:read_close()))
  end)

  it("that returns closes with 1000", function()
    local client <close> = ws.connect(port, "/returns")
    assert.equal("bye", client:receive())
    assert.equal(1000, (client:read_close()))
  end)

  for _, path in ipairs {
    "/twice-on-open", "/twice-on-message", "/twice-on-close", "/twice-as-task",
  } do
    it("may close twice, and the first counts: " .. path, function()
      local code, reason = code_of(path)
      assert.equal(4001, code)
      assert.equal("enough", reason)
    end)
  end

  it("may drop its connection at once", function()
    assert.is_nil((code_of "/terminates"))
  end)

  it("sends what came before close, and nothing after", function()
    local client <close> = ws.connect(port, "/closes-and-sends")
    client:send "hello"
    assert.equal("before", client:receive())
    assert.equal(4001, (client:read_close()))
    assert.matches("nil closed", ends(), 1, true)
  end)

  it("hears once why the connection ended", function()
    do
      local client <close> = ws.connect(port, "/watched")
      client:send_close(4005)
      client:read_close()
      assert.is_true(client:is_ended())
    end
    local gone = ws.connect(port, "/watched")
    gone:close(true)
    local heard
    for _ = 1, 2000 do
      heard = ends()
      if heard:find "1006" then break end
    end
    local _, times = heard:gsub("closed 4005 true peer", "")
    assert.equal(1, times)
    assert.matches("[er][eo][fs]e?t? 1006 false net", heard)
  end)
end)
