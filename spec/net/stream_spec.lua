-- Answers that are sent while they are made, and events, over a socket.
local http = require "spec.support.http"
local server = require "spec.support.server"
local socket = require "socket"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{limits = {queue = "64K"}, timeouts = {ping = 0.2}}
local state = {}

app:use("mark", function(req, next)
  local answer = next(req)
  if req.query.mark then answer.headers["X-Mark"] = "seen" end
  return answer
end)
app:get("/lines", function(req)
  return req:stream(200, {["Content-Type"] = "text/plain"}, function(out)
    for i = 1, 3 do out:write(i .. "\n") neap.sleep(0.02) end
  end)
end)
app:get("/begun", function(req)
  local out = req:stream(201)
  out:write "by the handler, "
  out:write ""
  out:write "in parts"
end)
app:get("/closed", function(req)
  local out = req:stream()
  out:write "all"
  out:close()
  state.closed = {out:write "more"}
  out:close()
  return out
end)
app:get("/after", function() return state.closed[3] end)
app:get("/none", function(req) return req:stream(204) end)
app:get("/pieces", function()
  local n = 0
  return {headers = {["Content-Type"] = "text/csv"}, body = function()
    n = n + 1
    return n <= 3 and n .. "," or nil
  end}
end)
app:get("/bad-piece", function() return {body = function() return 7 end} end)
app:get("/fails-at-once", function(req) return req:stream(function() error "on purpose" end) end)
app:get("/fails", function(req)
  return req:stream(function(out) out:write "half" error "on purpose" end)
end)
app:get("/fails-in-handler", function(req) req:stream():write "half" error "on purpose" end)
app:get("/changes-its-mind", function(req) req:stream():write "half" return "another" end)
app:get("/big", function(req)
  return req:stream(function(out)
    for i = 1, 400 do
      assert(out:write(("x"):rep(100000)))
      state.written = i
    end
  end)
end)
app:get("/written", function() return tostring(state.written) end)
app:get("/busy", function(req)
  return req:stream(function(out)
    req:spawn(function() out:write(("x"):rep(9000000)) end)
    neap.sleep(0.05)
    state.busy = select(3, out:write "y")
  end)
end)
app:get("/was-busy", function() return tostring(state.busy) end)

app:get("/events", function(req)
  return req:events(function(events)
    events:send "first"
    events:send{event = "news", id = "7", retry = 1.5, data = "two\nlines\r\nand a third"}
    events:send{data = {a = 1}}
    events:send{data = ""}
    events:send{id = "8"}
    events:send("since " .. tostring(events.last_id))
  end)
end)
app:get("/ticks", function(req)
  return req:events(function(events)
    local n = 0
    events:every(0.02, function() n = n + 1 events:send(tostring(n)) end)
    events:defer(function() state.ended = true end)
    state.wait = {events:wait_closed()}
    state.after = {events:send "late"}
  end)
end)
app:get("/quiet", function(req) return req:events(function(events) events:wait_closed() end) end)
app:get("/state", function(req)
  return req:json{ended = state.ended, wait = state.wait and state.wait[1],
    after = state.after and state.after[3], overflow = state.overflow}
end)
app:get("/flood", function(req)
  return req:events(function(events)
    local sent, message, code
    repeat sent, message, code = events:send(("x"):rep(50000)) neap.sleep(0) until not sent
    state.overflow = code
  end)
end)
for name, event in pairs{
  name = {event = "a\nb", data = ""}, id = {id = "a\rb"}, part = {dato = ""}, number = 7,
} do
  app:get("/wrong/" .. name, function(req)
    return req:events(function(events) events:send(event) end)
  end)
end
return app
]]

describe("an answer in parts", function()
  local running

  setup(function() running = server.start(SCRIPT) end)
  teardown(function() assert.equal(0, (running:stop())) end)

  local function open(path, fields, first)
    local peer = http.connect(running.port)
    peer:send((first or "GET %s HTTP/1.1"):format(path) .. "\r\nHost: localhost\r\n"
      .. (fields or "") .. "\r\n")
    return peer
  end

  local function ask(path, fields, first)
    local peer <close> = open(path, fields, first)
    return assert(peer:read_answer(first and first:find "HEAD" ~= nil))
  end

  local function wait_for(path, wanted)
    local body
    for _ = 1, 1000 do
      body = ask(path).body
      if body:find(wanted) then return body end
      socket.sleep(0.02)
    end
    error(path .. " still says " .. body, 2)
  end

  it("goes in chunks, and the connection goes on", function()
    local peer <close> = open("/lines")
    local answer = assert(peer:read_answer())
    assert.same({ 200, "1\n2\n3\n", "chunked", "text/plain", nil }, {
      answer.status, answer.body, answer["transfer-encoding"], answer["content-type"],
      answer.connection,
    })
    peer:send "GET /begun HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = assert(peer:read_answer())
    assert.same({ 201, "by the handler, in parts" }, { answer.status, answer.body })
  end)

  it("goes to HTTP/1.0 up to the end of the connection", function()
    local answer = ask("/lines", nil, "GET %s HTTP/1.0")
    assert.same({ "1\n2\n3\n", nil, "close" },
      { answer.body, answer["transfer-encoding"], answer.connection })
  end)

  it("has a head that middleware may still change before the first part", function()
    assert.equal("seen", ask("/lines?mark=1")["x-mark"])
    assert.equal("seen", ask("/pieces?mark=1")["x-mark"])
    assert.equal("seen", ask("/events?mark=1")["x-mark"])
    assert.is_nil(ask("/begun?mark=1")["x-mark"])
  end)

  it("may be what a function makes, piece by piece", function()
    local answer = ask "/pieces"
    assert.same({ "1,2,3,", "text/csv" }, { answer.body, answer["content-type"] })
  end)

  it("is not made for HEAD, and not sent with 204", function()
    local peer <close> = open("/lines", nil, "HEAD %s HTTP/1.1")
    assert.equal(200, assert(peer:read_answer(true)).status)
    peer:send "GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert.equal(204, assert(peer:read_answer()).status)
    peer:send "GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert(peer:read_answer())
  end)

  it("may be closed before its handler returns, and answers closed then", function()
    assert.equal("all", ask("/closed").body)
    assert.equal("closed", ask("/after").body)
  end)

  it("is 500 as long as nothing of it is sent", function()
    assert.equal(500, ask("/bad-piece").status)
    assert.equal(500, ask("/fails-at-once").status)
  end)

  it("is cut off when what makes it fails, so that nobody takes it for whole", function()
    for _, path in ipairs { "/fails", "/fails-in-handler", "/changes-its-mind" } do
      local peer <close> = open(path)
      local answer = peer:read_answer()
      assert.equal("cut off", answer and answer.fault or "cut off", path)
    end
    assert.matches("on purpose", running:log())
    assert.matches("the stream had begun: return that, or nothing", running:log())
  end)

  it("waits for room, so that a slow client costs no memory", function()
    local peer <close> = open("/big")
    assert(peer:read_head())
    local written, before
    repeat -- until it writes no more
      before = written
      socket.sleep(0.2)
      written = tonumber(ask("/written").body)
    until written and written == before
    assert.is_true(written < 300, "it has written " .. written)
    local total = 0
    repeat
      local size = tonumber(peer.tcp:receive "*l", 16)
      if size > 0 then peer.tcp:receive(size) end
      peer.tcp:receive "*l"
      total = total + size
    until size == 0
    assert.equal(40000000, total)
  end)

  it("takes one writer that waits at a time", function()
    local peer <close> = open("/busy")
    assert(peer:read_head())
    assert.equal("busy", wait_for("/was-busy", "busy"))
  end)

  describe("of events", function()
    it("is written as the standard says", function()
      local answer = ask("/events", "Last-Event-ID: 41\r\n")
      assert.same({ "text/event-stream", "no-store" },
        { answer["content-type"], answer["cache-control"] })
      assert.equal("data: first\n\n"
        .. "event: news\nid: 7\nretry: 1500\ndata: two\ndata: lines\ndata: and a third\n\n"
        .. 'data: {"a":1}\n\n' .. "data: \n\n" .. "id: 8\n\n" .. "data: since 41\n\n", answer.body)
    end)

    it("lasts as long as its client, and then its scope ends", function()
      local peer = open("/ticks")
      assert(peer:read_head())
      for i = 1, 3 do
        assert.matches("^%x+$", peer.tcp:receive "*l")
        assert.equal("data: " .. i, peer.tcp:receive "*l")
        for _ = 1, 2 do peer.tcp:receive "*l" end
      end
      peer:close()
      local body = wait_for("/state", '"ended":true')
      assert.matches('"after":"closed"', body)
      assert.matches('"wait":true', body)
    end)

    it("says something now and then, so that nobody takes it for dead", function()
      local peer <close> = open("/quiet")
      assert(peer:read_head())
      for _ = 1, 2 do
        assert.equal("3", peer.tcp:receive "*l")
        assert.equal(":", peer.tcp:receive "*l")
        for _ = 1, 2 do peer.tcp:receive "*l" end
      end
    end)

    it("is cut off when its client reads too slowly", function()
      local peer <close> = open("/flood")
      assert(peer:read_head())
      wait_for("/state", '"overflow":"overflow"')
    end)

    it("takes nothing that could become another event", function()
      for name, wanted in pairs {
        name = "an event's name must be one line", id = "an event's id must be one line",
        part = "unknown part dato of an event; did you mean data%?",
        number = "events:send's argument must be a string or table, not number",
      } do
        local peer <close> = open("/wrong/" .. name)
        peer:read_all()
        assert.matches(wanted, running:log())
      end
    end)

    it("ends in order when the server drains", function()
      local other <close> = server.start(SCRIPT)
      local peer <close> = http.connect(other.port)
      peer:send "GET /quiet HTTP/1.1\r\nHost: localhost\r\n\r\n"
      assert(peer:read_head())
      local began = socket.gettime()
      other:signal "TERM"
      local rest = peer:read_all()
      assert.matches("0\r\n\r\n$", rest)
      local status, out = other:wait()
      assert.equal(0, status)
      assert.matches("leaked=0", out)
      assert.is_true(socket.gettime() - began < 20) -- the deadline is 25
    end)
  end)
end)
