-- The published case list of the Autobahn test suite, sections 12 and 13:
-- compressed messages of several kinds and sizes, in one frame and in many, under
-- several agreements. Each is echoed, then the connection closes with 1000.
--
-- NEAP_LONG=1 sends 1,000 messages in each case, as the suite does.

local codec = require("neap.core").codec
local echo_peer = require "spec.support.echo_peer"
local wire = require "spec.support.wire"

local LONG = os.getenv "NEAP_LONG"

-- {bytes of a message, bytes of a fragment or 0}: cases .1 to .18
local SIZES = {
  { 16, 0 }, { 64, 0 }, { 256, 0 }, { 1024, 0 }, { 4096, 0 }, { 8192, 0 }, { 16384, 0 },
  { 32768, 0 }, { 65536, 0 }, { 131072, 0 }, { 8192, 256 }, { 16384, 256 }, { 32768, 256 },
  { 65536, 256 }, { 131072, 256 }, { 131072, 1024 }, { 131072, 4096 }, { 131072, 32768 },
}

local random = math.random

-- ---- what is sent: as the suite's files, but made here

local function repeat_to(size, make)
  local parts, length = {}, 0
  while length < size do
    parts[#parts + 1] = make(#parts + 1)
    length = length + #parts[#parts]
  end
  return table.concat(parts):sub(1, size)
end

local SIZE = 300000

local function json_data()
  return repeat_to(SIZE, function(i)
    return ('{"id": %d, "name": "user %d", "score": %.3f, "tags": ["a", "b%d"]},\n'):format(
      i, random(5000), random() * 100, i % 7)
  end)
end

local function picture()
  return repeat_to(SIZE, function(i) return string.char((i // 16 + random(0, 12)) % 256) end)
end

local function prose()
  local words = { "Habe", "nun", "ach", "Philosophie", "Juristerei", "und", "Medizin", "leider",
    "auch", "Theologie", "durchaus", "studiert", "mit", "hei\xdfem", "Bem\xfchn" }
  return repeat_to(SIZE, function(i)
    return words[random(#words)] .. (i % 9 == 0 and "\r\n" or " ")
  end)
end

local function html()
  return repeat_to(SIZE, function(i)
    return ('<li class="item n%d"><a href="/page/%d">page %d</a></li>\n'):format(i % 4, i, i)
  end)
end

local function document()
  return repeat_to(SIZE, function(i)
    if i % 40 == 0 then return ("\n%d 0 obj << /Length %d >>\nstream\n"):format(i, random(9999)) end
    return string.pack("I4", random(0, 0xffffffff))
  end)
end

local DATA = {
  { "JSON", json_data(), "text" }, { "a picture", picture(), "binary" },
  { "prose", prose(), "binary" }, { "HTML", html(), "text" },
  { "a document", document(), "binary" },
}

-- ---- what was agreed on

-- {offer of a client, what a server asks of one}: 13.1 to 13.7
local HINTS = "; client_no_context_takeover; client_max_window_bits"
local AGREEMENTS = {
  { { "" }, "" },
  { { "; server_no_context_takeover" }, "; client_no_context_takeover" },
  { { "; server_max_window_bits=9" }, "; client_max_window_bits=9" },
  { { "; server_max_window_bits=15" }, "; client_max_window_bits=15" },
  { { "; server_no_context_takeover; server_max_window_bits=9" },
    "; client_no_context_takeover; client_max_window_bits=9" },
  { { "; server_no_context_takeover; server_max_window_bits=15" },
    "; client_no_context_takeover; client_max_window_bits=15" },
  { { "; server_no_context_takeover; server_max_window_bits=9", "; server_no_context_takeover",
      "" }, "; client_no_context_takeover; client_max_window_bits=9" },
}

local WISH = { takeover = true }

-- The terms of the other side.
local function mirror(terms)
  return { send_bits = terms.receive_bits, receive_bits = terms.send_bits,
    send_takeover = terms.receive_takeover, receive_takeover = terms.send_takeover }
end

local function agree_as_server(offers)
  local list = {}
  for i, offer in ipairs(offers) do list[i] = "permessage-deflate" .. HINTS .. offer end
  local head = "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Extensions: "
    .. table.concat(list, ", ") .. "\r\n\r\n"
  local terms, line = codec.deflate_accept(head, WISH)
  for asked in offers[1]:gmatch "server_[%w_=]+" do
    assert.truthy(line:find(asked, 1, true))
  end
  return terms
end

local function agree_as_client(params)
  local line = codec.deflate_offer(WISH)
  assert.truthy(line:find("client_max_window_bits", 1, true))
  local head = "HTTP/1.1 101 OK\r\nSec-WebSocket-Extensions: permessage-deflate"
    .. params .. "\r\n\r\n"
  return assert(codec.deflate_check(head, WISH))
end

-- ---- the cases

local function count_for(size)
  if LONG then return 1000 end
  return math.max(1, math.min(5, 65536 // size))
end

-- Sends messages from the data, one behind the other, and demands them back.
local function play(role, terms, data, kind, size, fragment, way)
  local other = role == "server" and "client" or "server"
  local options = { min = 0 }
  for name, value in pairs(terms) do options[name] = value end
  local session <close> = codec.session { role = role, deflate = options }
  local tester <close> = codec.session { role = other, mask = wire.KEY, deflate = mirror(options) }
  local at = 1
  for _ = 1, count_for(size) do
    if at + size > #data then at = 1 end
    local text = data:sub(at, at + size - 1)
    at = at + size
    assert(tester:send(text, kind))
    local bytes = echo_peer.fragments(tester:output(), fragment, other == "client")
    local written = echo_peer.feed(session, bytes, way)
    assert(tester:feed(written))
    local event, message = tester:next()
    assert.is_true(event and event.data == text and event.kind == kind, message)
    assert.is_nil(tester:next())
  end
  assert(tester:close(1000))
  local written, events = echo_peer.feed(session, tester:output(), way)
  assert.same({ "close" }, events)
  assert(tester:feed(written))
  local event = tester:next()
  assert.same({ "close", 1000 }, { event.kind, event.code })
  assert.is_true(session:done() and tester:done())
end

-- Single bytes are slow, and say no more of a large message than of a small one.
local function is_played(size, way)
  return way ~= "in single bytes" or size <= (LONG and 16384 or 1024)
end

local counter = echo_peer.counter "Autobahn cases passed"

local function run_case(id, role, terms, data, kind, case)
  local size, fragment = table.unpack(case)
  for _, way in ipairs(echo_peer.WAYS) do
    if is_played(size, way) then play(role, terms, data, kind, size, fragment, way) end
  end
  counter.add(id:match "^%d+%.%d+", role)
end

describe("the Autobahn cases", function()
  teardown(counter.print)

  for _, role in ipairs { "server", "client" } do
    for i, kind_of_data in ipairs(DATA) do
      local name, data, kind = table.unpack(kind_of_data)
      for j, case in ipairs(SIZES) do
        local id = ("12.%d.%d"):format(i, j)
        it(("%s, %s: %s, %d bytes, fragments of %d"):format(id, role, name, case[1], case[2]),
          function()
            local terms = role == "server" and agree_as_server { "" } or agree_as_client ""
            run_case(id, role, terms, data, kind, case)
          end)
      end
    end

    for i, agreement in ipairs(AGREEMENTS) do
      for j, case in ipairs(SIZES) do
        local id = ("13.%d.%d"):format(i, j)
        it(("%s, %s: %d bytes, fragments of %d"):format(id, role, case[1], case[2]), function()
          local terms = role == "server" and agree_as_server(agreement[1])
            or agree_as_client(agreement[2])
          run_case(id, role, terms, DATA[1][2], "text", case)
        end)
      end
    end
  end
end)
