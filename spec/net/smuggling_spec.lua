-- Requests in which two readers could see different requests (RFC 9112, 11.2): each is
-- refused, and what stands behind it is read by nobody.
local http = require "spec.support.http"
local server = require "spec.support.server"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app()
app:get("/inner", function() return "smuggled" end)
app:post("/", function(req) return (assert(req:body())) end)
return app
]]

local INNER = "GET /inner HTTP/1.1\r\nHost: localhost\r\n\r\n"
local NONE = "0\r\n\r\n"

local function post(fields, body, first)
  return (first or "POST / HTTP/1.1") .. "\r\nHost: localhost\r\n" .. fields .. "\r\n" .. body
end

local function chunked(body)
  return post("Transfer-Encoding: chunked\r\n", body)
end

local cases = {
  { "a length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", NONE) },
  { "chunks and a length", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", NONE) },
  { "two lengths", post("Content-Length: 3\r\nContent-Length: 0\r\n", "abc") },
  { "the same length twice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc") },
  { "a list of lengths", post("Content-Length: 3, 3\r\n", "abc") },
  { "a signed length", post("Content-Length: +3\r\n", "abc") },
  { "a hexadecimal length", post("Content-Length: 0x3\r\n", "abc") },
  { "a length of two numbers", post("Content-Length: 3 3\r\n", "abc") },
  { "an empty length", post("Content-Length:\r\n", "abc") },
  { "a length that overflows", post("Content-Length: 18446744073709551619\r\n", "abc") },
  { "chunks twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", NONE) },
  { "chunked in a list", post("Transfer-Encoding: chunked, chunked\r\n", NONE) },
  { "another coding", post("Transfer-Encoding: gzip, chunked\r\n", NONE) },
  { "identity", post("Transfer-Encoding: identity\r\n", NONE) },
  { "chunked with junk", post("Transfer-Encoding: xchunked\r\n", NONE) },
  { "chunked in quotes", post('Transfer-Encoding: "chunked"\r\n', NONE) },
  { "chunked behind a vertical tab", post("Transfer-Encoding: \vchunked\r\n", NONE) },
  { "a space before the colon", post("Transfer-Encoding : chunked\r\n", NONE) },
  { "a folded coding", post("Transfer-Encoding:\r\n chunked\r\n", NONE) },
  { "a bare LF in the head", post("X: a\nTransfer-Encoding: chunked\r\n", NONE) },
  { "a bare CR in the head", post("X: a\rContent-Length: 3\r\n", "abc") },
  { "chunks in HTTP/1.0", post("Transfer-Encoding: chunked\r\n", NONE, "POST / HTTP/1.0") },
  { "a chunk's size with a space", chunked("3 \r\nabc\r\n0\r\n\r\n") },
  { "a chunk's size with a sign", chunked("+3\r\nabc\r\n0\r\n\r\n") },
  { "a chunk's size with 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n") },
  { "a chunk's size that overflows", chunked("10000000000000003\r\nabc\r\n0\r\n\r\n") },
  { "a chunk's size that ends with LF", chunked("3\nabc\r\n0\r\n\r\n") },
  { "an extension that ends with LF", chunked("3;a\nabc\r\n0\r\n\r\n") },
  { "an extension with a CR in it", chunked("3;a\rb\r\nabc\r\n0\r\n\r\n") },
  { "a chunk that ends with LF", chunked("3\r\nabc\n0\r\n\r\n") },
  { "a chunk longer than it says", chunked("3\r\nabcd\r\n0\r\n\r\n") },
  { "a last chunk that ends with LF", chunked("0\n\n") },
  { "a trailer that is a request", chunked("0\r\n" .. INNER) },
  { "extensions without end", chunked("3;" .. ("a"):rep(6000) .. "\r\nabc\r\n0\r\n\r\n") },
}

describe("a request that could be two has no second reader:", function()
  local running

  setup(function() running = server.start(SCRIPT) end)
  teardown(function() assert.equal(0, (running:stop())) end)

  for _, case in ipairs(cases) do
    it(case[1], function()
      local peer <close> = http.connect(running.port)
      peer:send(case[2] .. INNER)
      local answer = assert(peer:read_answer())
      assert.is_true(answer.status == 400 or answer.status == 501, "it was " .. answer.status)
      assert.equal("close", answer.connection)
      assert.equal("", peer:read_all())
    end)
  end

  it("but one that is whole has", function()
    local peer <close> = http.connect(running.port)
    peer:send(chunked("3\r\nabc\r\n" .. NONE) .. post("Content-Length: 3\r\n", "abc") .. INNER)
    for _, wanted in ipairs { "abc", "abc", "smuggled" } do
      assert.equal(wanted, assert(peer:read_answer()).body)
    end
  end)
end)
