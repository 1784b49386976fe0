local codec = require("neap.core").codec
local heads = require "spec.support.heads"

local request = heads.request

local function status_of(bytes, limit)
  local head, message, code, status = codec.request(bytes, limit)
  if head ~= nil then return head == 0 and 0 or "accepted" end
  assert.equal("protocol", code)
  assert.matches("^%u.*%.$", message)
  return status
end

--- The length of the first prefix that is answered with anything but 0, and
--- the answer.
local function first_answer(read, bytes)
  for length = 0, #bytes do
    local answer = read(bytes:sub(1, length))
    if answer ~= 0 then return length, answer end
  end
end

local function values(head)
  local found = {}
  for _, field in ipairs(head.fields) do found[field[1]] = field[2] end
  return found
end

describe("a request head", function()
  it("is read into method, target, version and fields, in order", function()
    local bytes = request({ "Host: a.example", "X-One:1", "x-one:\t two words \t" },
      "POST /path?q=%20 HTTP/1.0")
    local head, used = codec.request(bytes .. "body")
    assert.equal(#bytes, used)
    assert.same({
      method = "POST", target = "/path?q=%20", minor = 0, chunked = false,
      fields = { { "Host", "a.example" }, { "X-One", "1" }, { "x-one", "two words" } },
    }, head)
  end)

  it("says how its body is framed", function()
    local head = codec.request(request { "Host: a", "Content-Length: 0042" })
    assert.equal(42, head.content_length)
    head = codec.request(request { "Host: a", "content-LENGTH: 9223372036854775807" })
    assert.equal(math.maxinteger, head.content_length)
    head = codec.request(request { "Host: a", "transfer-encoding: Chunked" })
    assert.is_true(head.chunked)
    assert.is_nil(head.content_length)
  end)

  it("may have one empty line before it", function()
    local bytes = "\r\n" .. request { "Host: a" }
    local head, used = codec.request(bytes)
    assert.equal("/", head.target)
    assert.equal(#bytes, used)
    assert.equal(400, status_of("\r\n" .. bytes))
  end)

  it("may have bytes from 0x80 on and tabs in a value", function()
    local head = codec.request(request { "Host: a", "X: caf\xC3\xA9\t\xFF", "Y:", "Z: \t" })
    assert.same({ Host = "a", X = "caf\xC3\xA9\t\xFF", Y = "", Z = "" }, values(head))
  end)

  it("asks for more until it is whole", function()
    for _, bytes in ipairs(heads.valid) do
      local length, head = first_answer(codec.request, bytes)
      assert.equal(#bytes, length)
      assert.is_table(head)
    end
  end)

  for _, line in ipairs {
    "GET / HTTP/1.1", "GET /?a=b HTTP/1.1", "GET //a/../b|\"<>{}\\^` HTTP/1.1",
    "GET http://h HTTP/1.1", "GET HTTPS://H/x HTTP/1.1", "GET http://h?q HTTP/1.1",
    "OPTIONS * HTTP/1.1", "m!#$%&'*+-.^_`|~ / HTTP/1.1",
  } do
    it("may begin with " .. line, function()
      assert.equal("accepted", status_of(request({ "Host: h" }, line)))
    end)
  end

  for _, host in ipairs {
    "a", "A-b_c.example.", "a:0", "a:65535", "127.0.0.1:80",
    "[::1]", "[fe80::1]:8080", "[::127.0.0.1]",
  } do
    it("may have the host " .. host, function()
      assert.equal("accepted", status_of(request { "Host: " .. host }))
    end)
  end

  it("may lack Host in HTTP/1.0", function()
    assert.equal("accepted", status_of(request({}, "GET / HTTP/1.0")))
    assert.equal("accepted", status_of(request({}, "GET http://a/ HTTP/1.0")))
  end)

  it("may expect anything in HTTP/1.0", function()
    assert.equal("accepted", status_of(request({ "Expect: rain" }, "GET / HTTP/1.0")))
    assert.equal(417, status_of(request { "Host: a", "Expect: rain" }))
  end)
end)

-- Each ends with the byte that proves it wrong; what follows can't save it.
local get = "GET / HTTP/1.1\r\n"
local host = get .. "Host: a\r\n"
local refused = {
  { 400, "TLS", "\x16" },
  { 400, "a control character", "\0" },
  { 400, "a space before the method", " " },
  { 400, "a method that is no token", "GE(" },
  { 400, "a tab behind the method", "GET\t" },
  { 400, "a bare LF before the request line", "\n" },
  { 400, "a bare CR before the request line", "\rG" },
  { 400, "two empty lines", "\r\n\r" },
  { 400, "a line that is a method", "GET\r" },
  { 405, "CONNECT", "CONNECT " },
  { 400, "two spaces before the target", "GET  " },
  { 400, "a tab before the target", "GET \t" },
  { 400, "a target that is a word", "GET i" },
  { 400, "a target of another scheme", "GET ht:" },
  { 400, "a target of the scheme ws", "GET w" },
  { 400, "a scheme with one slash", "GET http:/a" },
  { 400, "a fragment in the target", "GET /#" },
  { 400, "a NUL in the target", "GET /\0" },
  { 400, "a DEL in the target", "GET /\127" },
  { 400, "a byte over 0x7F in the target", "GET /\x80" },
  { 400, "an LF in the target", "GET /a\n" },
  { 400, "a CR in the target", "GET /a\rb" },
  { 400, "a star and more for a target", "GET *a" },
  { 400, "a star for GET", "GET * HTTP/1.1\r\n" },
  { 505, "HTTP/0.9 without a version", "GET /\r\n" },
  { 505, "HTTP/0.9", "GET / HTTP/0" },
  { 505, "HTTP/1.2", "GET / HTTP/1.2" },
  { 505, "HTTP/2", "PRI * HTTP/2" },
  { 400, "a space for a version", "GET /  " },
  { 400, "a version in lower case", "GET / h" },
  { 400, "a version without a dot", "GET / HTTP/11" },
  { 400, "a version without a minor", "GET / HTTP/1.\r" },
  { 400, "a version of letters", "GET / HTTP/x" },
  { 400, "a minor of two digits", "GET / HTTP/1.10" },
  { 400, "a space behind the version", "GET / HTTP/1.1 " },
  { 400, "a bare LF behind the version", "GET / HTTP/1.1\n" },
  { 400, "a bare CR behind the version", "GET / HTTP/1.1\rH" },
  { 400, "a space before the first header", get .. " " },
  { 400, "a tab before the first header", get .. "\t" },
  { 400, "a folded header", host .. "X: a\r\n " },
  { 400, "a header folded with a tab", host .. "X: a\r\n\t" },
  { 400, "an empty header name", host .. ":" },
  { 400, "a space before the colon", host .. "X " },
  { 400, "a tab before the colon", host .. "X\t" },
  { 400, "a header name that is no token", host .. "X(" },
  { 400, "a byte over 0x7F in a name", host .. "X\x80" },
  { 400, "a NUL in a name", host .. "X\0" },
  { 400, "a line without a colon", host .. "X\r" },
  { 400, "a bare LF for an empty line", host .. "\n" },
  { 400, "a bare CR for an empty line", host .. "\ra" },
  { 400, "a bare LF behind a value", host .. "X: a\n" },
  { 400, "a bare LF behind the white space of a value", host .. "X: \n" },
  { 400, "a bare CR in a value", host .. "X: a\rb" },
  { 400, "two CR behind a value", host .. "X: a\r\r" },
  { 400, "a NUL in a value", host .. "X: a\0" },
  { 400, "an escape in a value", host .. "X: a\27" },
  { 400, "a DEL in a value", host .. "X: a\127" },
  { 400, "no Host", get .. "X: a\r\n\r\n" },
  { 400, "two Hosts", host .. "host: a\r\n" },
  { 400, "another host in the target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "another port in the target", "GET http://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "no host in the target", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "a user in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 400, "half a scheme for a target", "GET http HTTP/1.1\r\nHost: a\r\n\r\n" },
  { 431, "101 headers", host .. ("X: a\r\n"):rep(99) .. "X" },
}

-- What a proxy in front might read in another way.
local length, chunked = "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"
local smuggled = {
  { 400, "length and chunked", host .. length .. chunked },
  { 400, "chunked and length", host .. chunked .. length },
  { 400, "a length that is repeated", host .. length .. length },
  { 400, "two lengths that differ", host .. length .. "content-length: 6\r\n" },
  { 400, "a list of lengths", host .. "Content-Length: 5, 5\r\n" },
  { 400, "a signed length", host .. "Content-Length: +5\r\n" },
  { 400, "a negative length", host .. "Content-Length: -5\r\n" },
  { 400, "a length in hexadecimal", host .. "Content-Length: 0x5\r\n" },
  { 400, "a length with a fraction", host .. "Content-Length: 5.0\r\n" },
  { 400, "two numbers for a length", host .. "Content-Length: 5 5\r\n" },
  { 400, "an empty length", host .. "Content-Length: \r\n" },
  { 400, "a length past 63 bits", host .. "Content-Length: 9223372036854775808\r\n" },
  { 400, "a length past 64 bits", host .. "Content-Length: 18446744073709551621\r\n" },
  { 400, "chunked twice", host .. chunked .. chunked },
  { 501, "chunked twice in one list", host .. "Transfer-Encoding: chunked, chunked\r\n" },
  { 501, "another coding", host .. "Transfer-Encoding: gzip\r\n" },
  { 501, "two codings", host .. "Transfer-Encoding: gzip, chunked\r\n" },
  { 501, "identity", host .. "Transfer-Encoding: identity\r\n" },
  { 501, "almost chunked", host .. "Transfer-Encoding: xchunked\r\n" },
  { 501, "chunked with a parameter", host .. "Transfer-Encoding: chunked;a=b\r\n" },
  { 501, "chunked in quotes", host .. "Transfer-Encoding: \"chunked\"\r\n" },
  { 501, "an empty coding", host .. "Transfer-Encoding:\r\n" },
  { 400, "chunked in HTTP/1.0", "GET / HTTP/1.0\r\n" .. chunked },
  { 400, "a space before the colon of a length", host .. "Content-Length " },
  { 400, "a coding behind a vertical tab", host .. "Transfer-Encoding: \v" },
  { 400, "a length behind a bare CR", host .. "X: a\rC" },
  { 400, "a length behind a bare LF", host .. "X: a\n" },
  { 400, "a folded coding", host .. "Transfer-Encoding:\r\n" .. " chunked\r\n", 501 },
}

describe("a request head is refused for", function()
  for _, cases in ipairs { refused, smuggled } do
    for _, case in ipairs(cases) do
      local status, name, bytes, other = table.unpack(case)
      it(name, function()
        assert.equal(other or status, status_of(bytes))
        assert.equal(other or status, status_of(bytes .. "Host: a\r\n\r\n"))
        local at, answer = first_answer(status_of, bytes)
        assert.equal(other or status, answer)
        if not other then assert.equal(#bytes, at) end
      end)
    end
  end

  for _, value in ipairs {
    "", "a,b", "a b", "a/b", "u@a", "a:", "a:x", "a:65536", "a:000080", "a:1:2", ":80",
    "[", "[]", "[::1", "[::1]x", "[g::]", "::1", "caf\xC3\xA9", "a\"", "%61", "a?b", "a#b",
  } do
    it(("the host %q"):format(value), function()
      assert.equal(400, status_of(request { "Host: " .. value }))
    end)
  end
end)

describe("a byte of a request head", function()
  local function accepted(before, after)
    local found = {}
    for byte = 0, 255 do
      local bytes = before .. string.char(byte) .. after
      if status_of(bytes) == "accepted" then found[#found + 1] = string.char(byte) end
    end
    return table.concat(found)
  end
  local tokens = "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~"
  local every = {}
  for byte = 0, 255 do every[#every + 1] = string.char(byte) end
  every = table.concat(every)

  it("in a method or a header name is of a token", function()
    assert.equal(tokens, accepted("A", "B / HTTP/1.1\r\nHost: a\r\n\r\n"))
    -- A colon here ends the name early, and is no error.
    assert.equal((tokens:gsub("A", ":A", 1)), accepted(host .. "A", "B: c\r\n\r\n"))
  end)

  it("in a target is visible ASCII and begins no fragment", function()
    assert.equal((every:sub(0x22, 0x7F):gsub("#", "")),
      (accepted("GET /a", "b HTTP/1.1\r\nHost: a\r\n\r\n")))
  end)

  it("in a value is no control character but a tab", function()
    local expected = "\t" .. every:sub(0x21, 0x7F) .. every:sub(0x81)
    assert.equal(expected, accepted(host .. "X: a", "b\r\n\r\n"))
  end)
end)

describe("the size of a request head", function()
  local function line_of(size, before, after)
    return before .. ("a"):rep(size - #before - #(after or "")) .. (after or "")
  end

  it("is up to 100 headers", function()
    local lines = { "Host: a" }
    for i = 2, 100 do lines[i] = "X: a" end
    assert.equal(100, #codec.request(request(lines)).fields)
    lines[101] = "X: a"
    assert.equal(431, status_of(request(lines)))
  end)

  it("is up to 8,192 bytes of a request line", function()
    local tail = "\r\nHost: a\r\n\r\n"
    local line = line_of(8192, "GET /", " HTTP/1.1")
    assert.equal("accepted", status_of(line .. tail, 65535))
    assert.equal(414, status_of(line_of(8193, "GET /", " HTTP/1.1") .. tail, 65535))
    assert.equal(0, status_of(line_of(8192, "GET /"), 65535))
    assert.equal(414, status_of(line_of(8193, "GET /"), 65535))
    assert.equal(0, status_of(line .. "\r", 65535))
    assert.equal(400, status_of(line .. "\rX", 65535))
  end)

  it("is up to 8,192 bytes of a header line", function()
    local line = line_of(8192, "X: ")
    assert.equal("accepted", status_of(host .. line .. "\r\n\r\n", 65535))
    assert.equal(431, status_of(host .. line .. "a\r\n\r\n", 65535))
    assert.equal(0, status_of(host .. line, 65535))
    assert.equal(431, status_of(host .. line .. "a", 65535))
    assert.equal(431, status_of(host .. line_of(8193, "") .. ": a\r\n\r\n", 65535))
    assert.equal(431, status_of(host .. "X:" .. (" "):rep(8191), 65535))
  end)

  it("is up to the limit in all, the empty line included", function()
    local bytes = request { "Host: a", "X: " .. ("a"):rep(200) }
    assert.equal("accepted", status_of(bytes, #bytes))
    assert.equal("accepted", status_of(bytes .. "more", #bytes))
    assert.equal(431, status_of(bytes, #bytes - 1))
    assert.equal(0, status_of(bytes:sub(1, -2), #bytes))
    assert.equal(431, status_of(bytes:sub(1, -2), #bytes - 1))
    assert.equal(414, status_of("GET /" .. ("a"):rep(95), 100))
  end)

  it("is 8 KiB by default and 65,535 bytes at the most", function()
    local function bytes_of(size)
      local lines, left = {}, size - #host - 2
      while left > 0 do
        local part = left > 8000 and 4000 or left
        lines[#lines + 1] = line_of(part - 2, "X: ") .. "\r\n"
        left = left - part
      end
      return host .. table.concat(lines) .. "\r\n"
    end
    assert.equal("accepted", status_of(bytes_of(8192)))
    assert.equal(431, status_of(bytes_of(8193)))
    assert.equal("accepted", status_of(bytes_of(65535), 1 << 30))
    assert.equal(431, status_of(bytes_of(65536), 1 << 30))
  end)
end)

describe("a response head", function()
  local function refusal(bytes)
    local head, message, code, status = codec.response(bytes)
    if head ~= nil then return head == 0 and 0 or "accepted" end
    assert.matches("^%u.*%.$", message)
    assert.is_nil(status)
    return code
  end

  it("is read into status, reason, version and fields", function()
    local bytes = "HTTP/1.0 404 Not \xC3 Found\r\nA: b\r\nContent-Length: 3\r\n\r\n"
    local head, used = codec.response(bytes .. "abc")
    assert.equal(#bytes, used)
    assert.same({
      status = 404, reason = "Not \xC3 Found", minor = 0, chunked = false, content_length = 3,
      fields = { { "A", "b" }, { "Content-Length", "3" } },
    }, head)
  end)

  it("needs neither a reason nor a header", function()
    local head = codec.response "HTTP/1.1 101 \r\n\r\n"
    assert.same({ 101, "" }, { head.status, head.reason })
  end)

  it("asks for more until it is whole", function()
    local bytes = "HTTP/1.1 101 Switching Protocols\r\nHost: a b\r\nHost: c\r\n\r\n"
    assert.same({ #bytes, "accepted" }, { first_answer(refusal, bytes) })
  end)

  for name, bytes in pairs {
    ["another protocol"] = "I",
    ["another version"] = "HTTP/2",
    ["an empty line before it"] = "\r",
    ["two spaces behind the version"] = "HTTP/1.1  ",
    ["a status of two digits"] = "HTTP/1.1 10 ",
    ["a status of four digits"] = "HTTP/1.1 1011",
    ["a status that begins with 0"] = "HTTP/1.1 0",
    ["no space behind the status"] = "HTTP/1.1 101\r",
    ["a bare LF behind the reason"] = "HTTP/1.1 101 a\n",
    ["a bare CR in the reason"] = "HTTP/1.1 101 a\rb",
    ["a NUL in the reason"] = "HTTP/1.1 101 \0",
    ["a folded header"] = "HTTP/1.1 101 a\r\nX: y\r\n ",
    ["a space before the colon"] = "HTTP/1.1 101 a\r\nX ",
    ["length and chunked"] = "HTTP/1.1 200 a\r\n" .. length .. chunked,
  } do
    it("is refused for " .. name, function()
      assert.same({ #bytes, "protocol" }, { first_answer(refusal, bytes) })
      assert.equal("protocol", refusal(bytes .. "\r\n\r\n"))
    end)
  end
end)

describe("2,000 heads that were spoiled at random", function()
  it("are never accepted with a bare CR, a bare LF or a control character", function()
    math.randomseed(6455, 9112)
    local count = 0
    for i = 1, 2000 do
      local bytes = heads.mutate(heads.valid[i % #heads.valid + 1])
      local head, used = codec.request(bytes)
      codec.response(bytes)
      if type(head) == "table" then
        count = count + 1
        local lines = bytes:sub(1, used):gsub("\r\n", "")
        assert.is_nil(lines:find "[\0-\8\10-\31\127]", bytes)
      end
    end
    assert.is_true(count > 100)
  end)
end)
