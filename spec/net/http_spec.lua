-- Requests on one connection, as a client on a socket sees them.
local http = require "spec.support.http"
local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{limits = {body = "64K"}, timeouts = {body = 1, keepalive = 1}}
local order = {}
local function note(req) order[#order + 1] = req.target end

app:get("/fast", function(req) note(req) return "fast" end)
app:get("/slow", function(req)
  io.stderr:write "it is slow\n"
  neap.sleep(0.1)
  note(req)
  return "slow"
end)
app:get("/order", function() return table.concat(order, " ") end)
app:post("/ignore", function() return "ignored" end)
app:post("/echo", function(req) return (assert(req:body())) end)
app:post("/code", function(req)
  local _, message, code = req:body()
  return req:text(code .. ": " .. message, 422)
end)
app:post("/twice", function(req) return req:body() .. req:body() .. #(req:body("1M")) end)
app:post("/short", function(req) return assert(req:body(4)) end)
app:post("/own", {limits = {body = "1M"}}, function(req) return tostring(#assert(req:body())) end)
app:post("/pieces", {limits = {body = 0}}, function(req)
  local sizes, total = 0, 0
  for piece in function() return req:read() end do
    sizes, total = math.max(sizes, #piece), total + #piece
    neap.sleep(0)
  end
  return ("%d %s"):format(total, sizes <= 65536 and "in small pieces" or "in large ones")
end)
app:post("/json", function(req)
  local value, message = req:json()
  if message then return nil end
  return req:json(value)
end)
app:post("/late", function(req) neap.sleep(0.3) return assert(req:body()) end)
app:get("/odd", function(req) return req:text("odd", 299) end)
app:get("/fails", function() error("a secret") end)
local served = 0
app:get("/huge", function() served = served + 1 return ("x"):rep(3000000) end)
app:get("/served", function() return tostring(served) end)
return app
]]

local function request(first, fields, body)
  return first .. "\r\nHost: localhost\r\n" .. (fields or "") .. "\r\n" .. (body or "")
end

local function get(path, fields, version)
  return request(("GET %s HTTP/1.%d"):format(path, version or 1), fields)
end

local function post(path, body, fields)
  return request(("POST %s HTTP/1.1"):format(path),
    (fields or "") .. ("Content-Length: %d\r\n"):format(#body), body)
end

local function chunked(path, chunks, fields)
  return request(("POST %s HTTP/1.1"):format(path),
    (fields or "") .. "Transfer-Encoding: chunked\r\n", chunks)
end

describe("requests on one connection", function()
  local running

  setup(function() running = server.start(SCRIPT) end)
  teardown(function()
    local status, _, err = running:stop()
    assert.equal(0, status, err)
  end)

  local function connect()
    return http.connect(running.port)
  end

  local function ask(bytes)
    local peer <close> = connect()
    peer:send(bytes)
    return assert(peer:read_answer())
  end

  describe("with HTTP/1.1", function()
    it("are served one after another", function()
      local peer <close> = connect()
      for _ = 1, 5 do
        peer:send(get "/fast")
        local answer = assert(peer:read_answer())
        assert.same({ 200, "fast", nil }, { answer.status, answer.body, answer.connection })
      end
    end)

    it("may be answered with a status that has no name", function()
      local answer = ws.ask(running.port, get "/odd")
      assert.same({ 299, "Status", "odd" }, { answer.status, answer.reason, answer.body })
    end)

    it("are answered in order when they come at once, one at a time", function()
      local peer <close> = connect()
      peer:send(get "/slow" .. get "/fast" .. post("/echo", "abc") .. get "/slow" .. get "/order")
      local bodies = {}
      for i = 1, 5 do bodies[i] = assert(peer:read_answer()).body end
      assert.same({ "slow", "fast", "abc", "slow" }, { table.unpack(bodies, 1, 4) })
      assert.matches("/slow /fast /slow$", bodies[5])
    end)

    it("are served when they come byte by byte, over each other's ends", function()
      local peer <close> = connect()
      local bytes = get "/fast" .. post("/echo", "abc") .. chunked("/echo", "3\r\nabc\r\n0\r\n\r\n")
        .. get "/fast"
      for i = 1, #bytes, 7 do
        peer:send(bytes:sub(i, i + 6))
        socket.sleep(0.001)
      end
      for _, wanted in ipairs { "fast", "abc", "abc", "fast" } do
        assert.equal(wanted, assert(peer:read_answer()).body)
      end
    end)

    it("are all served when hundreds come at once", function()
      local peer <close> = connect()
      peer:send(get "/fast":rep(500))
      for _ = 1, 500 do assert.equal("fast", assert(peer:read_answer()).body) end
    end)

    it("wait while the client reads no answers", function()
      local peer <close> = connect()
      peer:send(get "/huge":rep(20))
      local count, before
      repeat -- until it makes no more
        before = count
        socket.sleep(0.2)
        count = tonumber(ask(get "/served").body)
      until count > 0 and count == before
      assert.is_true(count < 10, "it has made " .. count)
      for _ = 1, 20 do assert.equal(3000000, #assert(peer:read_answer()).body) end
    end)

    it("end the connection when one asks for that", function()
      local peer <close> = connect()
      peer:send(get("/fast", "Connection: close\r\n") .. get "/fast")
      local answer = assert(peer:read_answer())
      assert.same({ "fast", "close" }, { answer.body, answer.connection })
      assert.is_true(peer:is_ended())
    end)

    it("may be far apart, but not further than timeouts.keepalive", function()
      local peer <close> = connect()
      local began = socket.gettime()
      peer:send(get "/fast")
      assert(peer:read_answer())
      assert.is_true(peer:is_ended())
      assert.is_true(socket.gettime() - began > 0.8)
    end)

    it("are answered to a client that has closed its end", function()
      local peer <close> = connect()
      peer:send(get "/slow" .. get "/fast")
      peer.tcp:shutdown "send"
      assert.equal("slow", assert(peer:read_answer()).body)
      assert.equal("fast", assert(peer:read_answer()).body)
      assert.is_true(peer:is_ended())
    end)
  end)

  describe("with HTTP/1.0", function()
    it("are the last, unless the client asks to keep the connection", function()
      local peer <close> = connect()
      peer:send(get("/fast", nil, 0))
      assert.equal("close", assert(peer:read_answer()).connection)
      assert.is_true(peer:is_ended())
      local other <close> = connect()
      for _ = 1, 3 do
        other:send(get("/fast", "Connection: keep-alive\r\n", 0))
        local answer = assert(other:read_answer())
        assert.same({ "keep-alive", "fast" }, { answer.connection, answer.body })
      end
    end)
  end)

  it("answers HEAD with the length and no body", function()
    local peer <close> = connect()
    peer:send(request "HEAD /fast HTTP/1.1" .. get "/fast")
    local answer = assert(peer:read_answer(true))
    assert.same({ "4", "" }, { answer["content-length"], answer.body })
    assert.equal("fast", assert(peer:read_answer()).body)
  end)

  it("tells nothing of an error", function()
    local answer = ask(get "/fails")
    assert.same({ 500, "Internal Server Error\n" }, { answer.status, answer.body })
    assert.matches("a secret", running:log())
  end)

  describe("a body", function()
    it("comes whole, by length or in chunks, and twice if asked twice", function()
      assert.equal("abc", ask(post("/echo", "abc")).body)
      assert.equal("", ask(post("/echo", "")).body)
      assert.equal("", ask(request("POST /echo HTTP/1.1")).body)
      local chunks = "1;x=y\r\na\r\n4\r\nbcde\r\n0\r\nT: x\r\n\r\n"
      assert.equal("abcde", ask(chunked("/echo", chunks)).body)
      assert.equal("abab2", ask(post("/twice", "ab")).body)
    end)

    it("comes in pieces, of any size", function()
      local body = ("0123456789abcdef"):rep(200000)
      assert.equal("3200000 in small pieces", ask(post("/pieces", body)).body)
    end)

    it("is not read until it is asked for", function()
      local peer <close> = connect()
      local most = 50000000
      peer.tcp:settimeout(0.2)
      local sent = select(3, peer.tcp:send(request("POST /late HTTP/1.1",
        ("Content-Length: %d\r\n"):format(most), ("x"):rep(most))))
      assert.is_true(sent < most / 2, "all was taken")
    end)

    it("over limits.body is 413, whatever the handler does with its failure", function()
      local big = ("x"):rep(70000)
      assert.equal(413, ask(post("/echo", big)).status)
      assert.equal(413, ask(chunked("/echo", "11170\r\n" .. big)).status)
      assert.equal(413, ask(post("/json", big)).status)
      assert.equal(413, ask(post("/short", "12345")).status)
      assert.same({ 422, "too_big: the body is over 64K" },
        { ask(post("/code", big)).status, ask(post("/code", big)).body })
      assert.equal("70000", ask(post("/own", big)).body)
    end)

    it("over the limit is refused before it comes", function()
      local peer <close> = connect()
      peer:send(request("POST /echo HTTP/1.1", "Content-Length: 999999999999\r\n"))
      local answer = assert(peer:read_answer())
      assert.same({ 413, "close" }, { answer.status, answer.connection })
      assert.is_true(peer:is_ended())
    end)

    it("that nobody asked for does not become a request", function()
      local peer <close> = connect()
      peer:send(post("/ignore", get "/secret") .. get "/fast")
      assert.equal("ignored", assert(peer:read_answer()).body)
      assert.equal("fast", assert(peer:read_answer()).body)
    end)

    it("that nobody asked for is read away if it is small, and still to come", function()
      local peer <close> = connect()
      peer:send(request("POST /ignore HTTP/1.1", "Content-Length: 1000\r\n", ("x"):rep(10)))
      assert.equal("ignored", assert(peer:read_answer()).body)
      peer:send(("x"):rep(990) .. get "/fast")
      assert.equal("fast", assert(peer:read_answer()).body)
    end)

    it("that nobody asked for ends the connection if it is large", function()
      local peer <close> = connect()
      peer:send(request("POST /ignore HTTP/1.1", "Content-Length: 1000000\r\n", ("x"):rep(10)))
      local answer = assert(peer:read_answer())
      assert.same({ "ignored", "close" }, { answer.body, answer.connection })
      assert.is_true(peer:is_ended())
    end)

    it("that stops coming is 408", function()
      local peer <close> = connect()
      peer:send(request("POST /echo HTTP/1.1", "Content-Length: 10\r\n", "abc"))
      local answer = assert(peer:read_answer())
      assert.same({ 408, "close" }, { answer.status, answer.connection })
    end)

    it("that trickles is 408, though it never stops", function()
      local peer <close> = connect()
      local began = socket.gettime()
      peer:send(request("POST /echo HTTP/1.1", "Content-Length: 1000\r\n"))
      peer.tcp:settimeout(0)
      repeat
        peer.tcp:send "x"
        socket.sleep(0.1)
        local line = peer.tcp:receive "*l"
        assert.is_true(socket.gettime() - began < 30, "it is still waited for")
      until line
      assert.is_true(socket.gettime() - began > 0.9)
    end)

    it("that is abandoned ends the request, and nobody else notices", function()
      for _ = 1, 10 do
        local peer <close> = connect()
        peer:send(request("POST /echo HTTP/1.1", "Content-Length: 10\r\n", "abc"))
      end
      assert.equal("fast", ask(get "/fast").body)
    end)

    it("is read as JSON, and refused when it is none", function()
      assert.equal('{"a":[1,2]}', ask(post("/json", '{"a": [1, 2]}')).body)
      local answer = ask(post("/json", '{"a": '))
      assert.equal(400, answer.status)
      assert.matches("^the body is no JSON", answer.body)
    end)
  end)

  describe("Expect: 100-continue", function()
    local expect = "Expect: 100-continue\r\n"

    it("is answered when the handler asks for the body", function()
      local peer <close> = connect()
      peer:send(request("POST /echo HTTP/1.1", expect .. "Content-Length: 3\r\n"))
      assert.equal(100, assert(peer:read_answer(true)).status)
      peer:send("abc" .. get "/fast")
      assert.equal("abc", assert(peer:read_answer()).body)
      assert.equal("fast", assert(peer:read_answer()).body)
    end)

    it("is not answered when it does not, and the connection ends", function()
      local peer <close> = connect()
      peer:send(request("POST /ignore HTTP/1.1", expect .. "Content-Length: 3\r\n"))
      local answer = assert(peer:read_answer())
      assert.same({ 200, "close" }, { answer.status, answer.connection })
    end)

    it("is not answered when the body is over the limit, or has come already", function()
      local big = request("POST /echo HTTP/1.1", expect .. "Content-Length: 99999\r\n")
      assert.equal(413, ask(big).status)
      assert.equal("abc", ask(post("/echo", "abc", expect)).body)
    end)

    it("is ignored in HTTP/1.0, and anything else is 417", function()
      local old = request("POST /echo HTTP/1.0", expect .. "Content-Length: 3\r\n", "abc")
      assert.equal("abc", ask(old).body)
      assert.equal(417, ask(get("/fast", "Expect: more\r\n")).status)
    end)
  end)
end)

describe("a drain", function()
  it("ends idle connections at once, and lets answers finish as the last", function()
    local script = SCRIPT:gsub("keepalive = 1", "keepalive = 60"):gsub("sleep%(0.1%)", "sleep(1)")
    local running <close> = server.start(script)
    local idle <close> = http.connect(running.port)
    local fresh <close> = http.connect(running.port)
    local busy <close> = http.connect(running.port)
    idle:send(get "/fast")
    assert(idle:read_answer())
    busy:send(get "/slow" .. get "/fast")
    repeat socket.sleep(0.01) until running:log():find "it is slow"
    running:signal "TERM"
    assert.is_true(idle:is_ended())
    assert.is_true(fresh:is_ended())
    local answer = assert(busy:read_answer())
    assert.same({ "slow", "close" }, { answer.body, answer.connection })
    assert.is_true(busy:is_ended())
    local status, out = running:wait()
    assert.equal(0, status)
    assert.matches("leaked=0", out)
  end)
end)
