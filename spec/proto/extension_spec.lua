-- Sec-WebSocket-Extensions: its grammar, offers and answers (RFC 6455, section
-- 9.1; RFC 7692, section 7.1).
local codec = require("neap.core").codec

local SERVER_ALONE, CLIENT_ALONE = "server_no_context_takeover", "client_no_context_takeover"

local function request(...)
  local lines = { "GET / HTTP/1.1", "Host: a" }
  for _, value in ipairs { ... } do
    lines[#lines + 1] = "Sec-WebSocket-Extensions: " .. value
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function answer_head(...)
  local lines = { "HTTP/1.1 101 Switching Protocols" }
  for _, value in ipairs { ... } do
    lines[#lines + 1] = "Sec-WebSocket-Extensions: " .. value
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function accept(wish, ...)
  local terms, line, code = codec.deflate_accept(request(...), wish)
  if not terms then return terms, line, code end
  return line:match "^Sec%-WebSocket%-Extensions: (.-)\r\n$", terms
end

local TAKEOVER = { takeover = true }

describe("an offer", function()
  local answers = {
    ["permessage-deflate"] = "permessage-deflate",
    ["permessage-deflate;server_no_context_takeover"] = "permessage-deflate; " .. SERVER_ALONE,
    ["permessage-deflate ; client_no_context_takeover"] = "permessage-deflate; " .. CLIENT_ALONE,
    ["permessage-deflate; client_max_window_bits"] = "permessage-deflate",
    ["permessage-deflate; client_max_window_bits=15"]
      = "permessage-deflate; client_max_window_bits=15",
    ["permessage-deflate; client_max_window_bits=8"]
      = "permessage-deflate; client_max_window_bits=8",
    ["permessage-deflate; server_max_window_bits=8"]
      = "permessage-deflate; server_max_window_bits=8",
    ["permessage-deflate; server_max_window_bits=15"]
      = "permessage-deflate; server_max_window_bits=15",
    ['permessage-deflate; server_max_window_bits="10"']
      = "permessage-deflate; server_max_window_bits=10",
    ['permessage-deflate; server_max_window_bits="1\\0"']
      = "permessage-deflate; server_max_window_bits=10",
    ["permessage-deflate\t;\tserver_max_window_bits = 12"]
      = "permessage-deflate; server_max_window_bits=12",
    [", ,permessage-deflate, ,"] = "permessage-deflate",
    ["x-other; a=b; c=\"d\", permessage-deflate"] = "permessage-deflate",
    ["permessage-deflate; server_max_window_bits=16, permessage-deflate"] = "permessage-deflate",
    ["permessage-deflate; " .. CLIENT_ALONE .. ", permessage-deflate"]
      = "permessage-deflate; " .. CLIENT_ALONE,
  }
  for offer, wanted in pairs(answers) do
    it("of " .. offer .. " is met", function()
      assert.equal(wanted, (accept(TAKEOVER, offer)))
    end)
  end

  it("is asked for contexts that are not taken over, unless the app wants them", function()
    local line, terms = accept(nil, "permessage-deflate")
    assert.equal(("permessage-deflate; %s; %s"):format(SERVER_ALONE, CLIENT_ALONE), line)
    assert.same({ send_bits = 15, receive_bits = 15, send_takeover = false,
      receive_takeover = false }, terms)
    line, terms = accept({ takeover = true, sends_alone = true }, "permessage-deflate")
    assert.equal("permessage-deflate; " .. SERVER_ALONE, line)
    assert.same({ false, true }, { terms.send_takeover, terms.receive_takeover })
  end)

  it("is answered with the app's window, where the client can follow", function()
    local wish = { takeover = true, window = 10 }
    local line, terms = accept(wish, "permessage-deflate; client_max_window_bits")
    assert.equal("permessage-deflate; server_max_window_bits=10; client_max_window_bits=10", line)
    assert.same({ 10, 10 }, { terms.send_bits, terms.receive_bits })
    line, terms = accept(wish, "permessage-deflate")
    assert.equal("permessage-deflate; server_max_window_bits=10", line)
    assert.same({ 10, 15 }, { terms.send_bits, terms.receive_bits })
    line = accept(wish, "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12")
    assert.equal("permessage-deflate; server_max_window_bits=9; client_max_window_bits=10", line)
  end)

  it("may stand in any of several fields", function()
    assert.equal("permessage-deflate", (accept(TAKEOVER, "x-other", "permessage-deflate")))
  end)

  for _, offer in ipairs {
    "x-other", "Permessage-Deflate", "permessage-deflate2", "permessage-deflate; unknown",
    "permessage-deflate; Server_no_context_takeover",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; client_no_context_takeover=true",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=08",
    "permessage-deflate; server_max_window_bits=010",
    "permessage-deflate; server_max_window_bits=+9",
    "permessage-deflate; server_max_window_bits=1000000000000",
    "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
    "permessage-deflate; client_max_window_bits=0",
    "permessage-deflate; client_max_window_bits=16",
    "permessage-deflate; client_max_window_bits=a",
    "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
  } do
    it("of " .. offer .. " is declined", function()
      assert.is_nil(accept(TAKEOVER, offer))
      assert.is_nil((select(2, accept(TAKEOVER, offer))))
    end)
  end

  for _, value in ipairs {
    "", " ", ",", ", ,", ";", "=", "permessage-deflate;", "permessage-deflate; ;", "a; =b",
    "a; b=", "a; b=;c", "a; b=\"", "a; b=\"\"", "a; b=\"c", "a; b=\"c d\"", "a; b=\"c\\\"",
    "a; b=\"c\"d", "a b", "a=b", "a; b c", "a; b=c d", "a/b", "permessage-deflate; a=(", "\"a\"",
    "permessage-deflate, a;",
  } do
    it("of '" .. value .. "' is malformed", function()
      local line, _, code = accept(TAKEOVER, value)
      assert.is_nil(line)
      assert.equal("protocol", code)
    end)
  end

  it("fails the handshake with 400 when it is malformed", function()
    local head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    assert.truthy(codec.check_upgrade(head .. "\r\n"))
    local answer = table.pack(codec.check_upgrade(head .. "Sec-WebSocket-Extensions: a;\r\n\r\n"))
    assert.same({ nil, "Sec-WebSocket-Extensions is malformed.", "protocol", 400, n = 4 }, answer)
  end)
end)

describe("a client", function()
  it("offers what it wishes", function()
    local line = "Sec-WebSocket-Extensions: permessage-deflate; %s\r\n"
    assert.equal(line:format(SERVER_ALONE .. "; " .. CLIENT_ALONE .. "; client_max_window_bits"),
      codec.deflate_offer())
    assert.equal(line:format "client_max_window_bits", codec.deflate_offer(TAKEOVER))
    assert.equal(line:format "server_max_window_bits=9; client_max_window_bits=9",
      codec.deflate_offer { takeover = true, window = 9 })
    assert.equal(line:format(CLIENT_ALONE .. "; client_max_window_bits"),
      codec.deflate_offer { takeover = true, sends_alone = true })
  end)

  local both = ("permessage-deflate; %s; %s"):format(SERVER_ALONE, CLIENT_ALONE)
  local rights = {
    { nil, both, { 15, 15, false, false } },
    { nil, "permessage-deflate; " .. SERVER_ALONE, { 15, 15, false, false } },
    { nil, both .. "; client_max_window_bits=8; server_max_window_bits=9",
      { 8, 9, false, false } },
    { TAKEOVER, "permessage-deflate", { 15, 15, true, true } },
    { TAKEOVER, "permessage-deflate; client_no_context_takeover", { 15, 15, false, true } },
    { TAKEOVER, "permessage-deflate; server_max_window_bits=10", { 15, 10, true, true } },
    { { takeover = true, window = 10 }, "permessage-deflate; server_max_window_bits=10",
      { 10, 10, true, true } },
  }
  for i, case in ipairs(rights) do
    it("takes an answer that keeps to its offer, " .. i, function()
      local terms = assert(codec.deflate_check(answer_head(case[2]), case[1]))
      assert.same(case[3], { terms.send_bits, terms.receive_bits, terms.send_takeover,
        terms.receive_takeover })
    end)
  end

  it("takes an answer without compression", function()
    assert.is_nil(codec.deflate_check(answer_head()))
    assert.is_nil((select(2, codec.deflate_check(answer_head()))))
    assert.is_nil((select(2, codec.deflate_check(answer_head(), false))))
  end)

  local wrongs = {
    { false, both, "The server chose an extension that was not offered." },
    { nil, "x-other", "The server chose an extension that was not offered." },
    { nil, "", "The answer's extensions are malformed." },
    { nil, both .. ";", "The answer's extensions are malformed." },
    { nil, both .. ", " .. both, "The server chose more extensions than were offered." },
    { nil, both .. ", x-other", "The server chose more extensions than were offered." },
    { nil, "permessage-deflate", "The server did not agree to server_no_context_takeover." },
    { TAKEOVER, "permessage-deflate; client_max_window_bits" },
    { TAKEOVER, "permessage-deflate; server_max_window_bits" },
    { TAKEOVER, "permessage-deflate; server_max_window_bits=7" },
    { TAKEOVER, "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9" },
    { TAKEOVER, "permessage-deflate; server_no_context_takeover=1" },
    { TAKEOVER, "permessage-deflate; unknown" },
    { { takeover = true, window = 10 }, "permessage-deflate",
      "The server did not agree to server_max_window_bits." },
    { { takeover = true, window = 10 }, "permessage-deflate; server_max_window_bits=11",
      "The server did not agree to server_max_window_bits." },
    { { takeover = true, window = 10 },
      "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
      "The server answered more client_max_window_bits than offered." },
  }
  for i, case in ipairs(wrongs) do
    it("fails an answer that breaks the rules, " .. i, function()
      local terms, message, code = codec.deflate_check(answer_head(case[2]), case[1])
      assert.is_nil(terms)
      assert.equal("protocol", code)
      assert.equal(case[3] or "The answer's permessage-deflate has a parameter that is wrong.",
        message)
    end)
  end

  it("fails two fields that each choose", function()
    assert.equal("protocol", (select(3, codec.deflate_check(answer_head(both, both)))))
  end)
end)
