-- Heads that are right, and ways to spoil them.

local heads = {}

--- A request head with these header lines (each without its CRLF).
function heads.request(lines, first)
  local all = { first or "GET / HTTP/1.1", table.unpack(lines) }
  return table.concat(all, "\r\n") .. "\r\n\r\n"
end

--- The request of RFC 6455, section 1.3, with a header of that name replaced,
--- or left out (false), or further lines behind it.
function heads.upgrade(changes, ...)
  changes = changes or {}
  local lines = { changes.line or "GET /chat HTTP/1.1" }
  local fields = {
    { "Host", "server.example.com" },
    { "Upgrade", "websocket" },
    { "Connection", "Upgrade" },
    { "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==" },
    { "Origin", "http://example.com" },
    { "Sec-WebSocket-Protocol", "chat, superchat" },
    { "Sec-WebSocket-Version", "13" },
  }
  for _, field in ipairs(fields) do
    local value = changes[field[1]]
    if value == nil then value = field[2] end
    if value then lines[#lines + 1] = field[1] .. ": " .. value end
  end
  for _, line in ipairs { ... } do lines[#lines + 1] = line end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

heads.valid = {
  heads.upgrade(),
  heads.request { "Host: localhost:8080" },
  heads.request { "host:[::1]:9" },
  heads.request { "HOST: \t 10.0.0.1 \t" },
  "\r\n" .. heads.request { "Host: a" },
  heads.request({ "Host: a", "Content-Length: 12" }, "POST /form?a=b&c=%20 HTTP/1.1"),
  heads.request({ "Host: a", "Transfer-Encoding: chunked" }, "PUT /x HTTP/1.1"),
  heads.request({ "Accept: */*", "X-Empty:" }, "GET /old HTTP/1.0"),
  heads.request({ "Host: example.org:80" }, "GET http://example.org:80/a HTTP/1.1"),
  heads.request({ "Host: a" }, "OPTIONS * HTTP/1.1"),
  heads.request { "Host: a", "Cookie: a=\"b\"; c=d", "X-Name: caf\xC3\xA9 \xFF", "X-Tab: a\tb" },
  heads.request { "Host: a", "!#$%&'*+-.^_`|~09azAZ: every character of a token" },
}

local odd = {
  "\r", "\n", "\r\n", "\r\n ", "\0", "\t", " ", ":", ",", "\127", "\128", "\255", "a", "0",
}

local edits = {
  function(head, at, what) return head:sub(1, at - 1) .. what .. head:sub(at) end,
  function(head, at, what) return head:sub(1, at - 1) .. what .. head:sub(at + 1) end,
  function(head, at) return head:sub(1, at - 1) .. head:sub(at + 1) end,
  function(head, at) return head:sub(1, at) .. head:sub(math.max(1, at - 9)) end,
}

--- One to three random edits.
function heads.mutate(head)
  for _ = 1, math.random(3) do
    local what = odd[math.random(#odd)]
    if math.random(4) == 1 then what = string.char(math.random(0, 255)) end
    head = edits[math.random(#edits)](head, math.random(#head), what)
  end
  return head
end

return heads
