local codec = require("neap.core").codec
local heads = require "spec.support.heads"

local upgrade = heads.upgrade
local key, accept = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

local function key_of(length) return codec.base64(("x"):rep(length)) end

local function changed(what, to) return (key:gsub(what, to)) end

local function status_of(bytes)
  local answer, message, code, status = codec.check_upgrade(bytes)
  if answer then return answer end
  assert.equal("protocol", code)
  assert.matches("^%u.*%.$", message)
  return status
end

describe("the key of a handshake", function()
  it("is answered as in RFC 6455, section 1.3", function()
    assert.equal(accept, codec.accept_key(key))
  end)

  it("is its nonce in base64", function()
    assert.equal(key, codec.key "the sample nonce")
    assert.equal("AAAAAAAAAAAAAAAAAAAAAA==", codec.key(("\0"):rep(16)))
  end)

  it("has 24 characters, and its nonce 16 bytes", function()
    assert.error_matches(function() codec.accept_key(key .. "=") end, "24 bytes expected")
    assert.error_matches(function() codec.key "short" end, "16 bytes expected")
  end)
end)

describe("a server's check of a request", function()
  it("takes the request of RFC 6455, section 1.3", function()
    assert.equal(accept, status_of(upgrade()))
  end)

  for name, bytes in pairs {
    ["in any case"] = upgrade { Upgrade = "WebSocket", Connection = "UPGRADE" },
    ["in a list"] = upgrade { Connection = "keep-alive, Upgrade", Upgrade = "h2c, websocket" },
    ["in a list without spaces"] = upgrade { Connection = "keep-alive,upgrade,x" },
    ["behind empty elements"] = upgrade { Connection = ", ,\t, upgrade ,," },
    ["behind a comma in quotes"] = upgrade { Connection = [["a,\"b", upgrade]] },
    ["in a second header"] = upgrade({ Connection = "keep-alive" }, "connection: upgrade"),
    ["with a body of no bytes"] = upgrade({}, "Content-Length: 0"),
    ["at an absolute target"] = upgrade { line = "GET http://server.example.com/a HTTP/1.1" },
  } do
    it("takes one that asks " .. name, function() assert.equal(accept, status_of(bytes)) end)
  end

  for name, case in pairs {
    ["another method"] = { 405, upgrade { line = "POST / HTTP/1.1" } },
    ["a method in lower case"] = { 405, upgrade { line = "get / HTTP/1.1" } },
    ["HTTP/1.0"] = { 400, upgrade { line = "GET / HTTP/1.0" } },
    ["no Connection"] = { 400, upgrade { Connection = false } },
    ["a Connection without upgrade"] = { 400, upgrade { Connection = "keep-alive" } },
    ["upgrade as part of a word"] = { 400, upgrade { Connection = "upgrades, no-upgrade" } },
    ["upgrade within quotes"] = { 400, upgrade { Connection = [["a, upgrade, b"]] } },
    ["upgrade behind a quote that never ends"] = { 400, upgrade { Connection = [["a, upgrade]] } },
    ["upgrade behind escaped quotes"] = { 400, upgrade { Connection = [["\", upgrade, \""]] } },
    ["a backslash at the end"] = { 400, upgrade { Connection = [["upgrade\]] } },
    ["no Upgrade"] = { 400, upgrade { Upgrade = false } },
    ["an Upgrade to something else"] = { 400, upgrade { Upgrade = "websocket/13, h2c" } },
    ["a body"] = { 400, upgrade({}, "Content-Length: 1") },
    ["a chunked body"] = { 400, upgrade({}, "Transfer-Encoding: chunked") },
    ["no version"] = { 426, upgrade { ["Sec-WebSocket-Version"] = false } },
    ["an older version"] = { 426, upgrade { ["Sec-WebSocket-Version"] = "8" } },
    ["a list of versions"] = { 426, upgrade { ["Sec-WebSocket-Version"] = "13, 8" } },
    ["a version with a zero"] = { 426, upgrade { ["Sec-WebSocket-Version"] = "013" } },
    ["two versions"] = { 426, upgrade({}, "Sec-WebSocket-Version: 13") },
    ["no key"] = { 400, upgrade { ["Sec-WebSocket-Key"] = false } },
    ["an empty key"] = { 400, upgrade { ["Sec-WebSocket-Key"] = "" } },
    ["two keys"] = { 400, upgrade({}, "sec-websocket-key: " .. key) },
    ["a key of 15 bytes"] = { 400, upgrade { ["Sec-WebSocket-Key"] = key_of(15) } },
    ["a key of 17 bytes"] = { 400, upgrade { ["Sec-WebSocket-Key"] = key_of(17) } },
    ["a key of 18 bytes"] = { 400, upgrade { ["Sec-WebSocket-Key"] = key_of(18) } },
    ["a key that is not padded"] = { 400, upgrade { ["Sec-WebSocket-Key"] = key:sub(1, 22) } },
    ["bits in padding"] = { 400, upgrade { ["Sec-WebSocket-Key"] = changed("Q=", "R=") } },
    ["a key in another alphabet"] = { 400, upgrade { ["Sec-WebSocket-Key"] = changed("d", "-") } },
    ["a head that is refused"] = { 505, upgrade { line = "GET / HTTP/3.0" } },
  } do
    it("refuses " .. name, function() assert.equal(case[1], status_of(case[2])) end)
  end

  it("wants a whole head", function()
    assert.error_matches(function() codec.check_upgrade "GET / HT" end, "not whole")
  end)
end)

describe("a server's answer", function()
  it("switches protocols", function()
    assert.equal("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      .. "Sec-WebSocket-Accept: " .. accept .. "\r\n\r\n", codec.upgrade_answer { accept = accept })
  end)

  it("names the protocol and carries further headers", function()
    local bytes = codec.upgrade_answer {
      accept = accept, protocol = "feed.v2", headers = "A: b\r\nC: d\r\n",
    }
    local head, used = codec.response(bytes)
    assert.equal(#bytes, used)
    assert.same({ "Sec-WebSocket-Protocol", "feed.v2" }, head.fields[4])
    assert.same({ "C", "d" }, head.fields[6])
    assert.equal(6, #head.fields)
    assert.is_true(codec.check_answer(bytes, key))
  end)

  for _, protocol in ipairs { "", "a b", "a\r\nX: y", "a\n", "a\0", "a,b", "caf\xC3\xA9" } do
    it(("does not name %q as a protocol"):format(protocol), function()
      assert.same({ nil, "The protocol is not a token.", "protocol" },
        { codec.upgrade_answer { accept = accept, protocol = protocol } })
    end)
  end
end)

describe("a client's request", function()
  it("is one that the server's check takes", function()
    local bytes = codec.upgrade_request {
      host = "[::1]:8080", target = "/a?b=%20c", key = key, headers = "Origin: http://a\r\n",
    }
    assert.equal(accept, status_of(bytes))
    assert.equal("GET /a?b=%20c HTTP/1.1\r\nHost: [::1]:8080\r\n"
      .. "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " .. key
      .. "\r\nSec-WebSocket-Version: 13\r\nOrigin: http://a\r\n\r\n", bytes)
  end)

  for _, case in ipairs {
    { "a\r\nX: y", "/" }, { "a\n", "/" }, { "a\0", "/" }, { "a b", "/" }, { "", "/" },
    { "u@a", "/" }, { "a/b", "/" }, { "a", "/\r\nX: y" }, { "a", "/\n" }, { "a", "/\0" },
    { "a", "/a b" }, { "a", "" }, { "a", "a" }, { "a", "/\xC3\xA9" }, { "a", "/#top" },
  } do
    it(("is not made of host %q and target %q"):format(case[1], case[2]), function()
      local bytes, _, code = codec.upgrade_request { host = case[1], target = case[2], key = key }
      assert.is_nil(bytes)
      assert.equal("protocol", code)
    end)
  end

  it("wants a host, a target and a key", function()
    local function refused(options, message)
      assert.error_matches(function() codec.upgrade_request(options) end, message)
    end
    refused({ target = "/", key = key }, "host is not a string")
    refused({ host = "a", key = key }, "target is not a string")
    refused({ host = "a", target = "/", key = "k" }, "key has 1 bytes")
  end)
end)

describe("a client's check of the answer", function()
  local function answer(changes, ...)
    changes = changes or {}
    local lines = { changes.line or "HTTP/1.1 101 Switching Protocols" }
    local fields = {
      Upgrade = "websocket", Connection = "Upgrade", ["Sec-WebSocket-Accept"] = accept,
    }
    for name, value in pairs(fields) do
      if changes[name] ~= nil then value = changes[name] end
      if value then lines[#lines + 1] = name .. ": " .. value end
    end
    for _, line in ipairs { ... } do lines[#lines + 1] = line end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
  end

  for name, bytes in pairs {
    ["as RFC 6455 has it"] = answer(),
    ["in another case"] = answer { Upgrade = "WebSocket", Connection = "upgrade" },
    ["with more connection options"] = answer { Connection = "keep-alive, Upgrade" },
    ["with an empty reason"] = answer { line = "HTTP/1.1 101 " },
  } do
    it("takes one " .. name, function() assert.is_true(codec.check_answer(bytes, key)) end)
  end

  for name, bytes in pairs {
    ["another status"] = answer { line = "HTTP/1.1 200 OK" },
    ["HTTP/1.0"] = answer { line = "HTTP/1.0 101 Switching Protocols" },
    ["no Upgrade"] = answer { Upgrade = false },
    ["two protocols in Upgrade"] = answer { Upgrade = "websocket, h2c" },
    ["Upgrade twice"] = answer({}, "Upgrade: websocket"),
    ["no Connection"] = answer { Connection = false },
    ["a Connection that closes"] = answer { Connection = "close" },
    ["no accept"] = answer { ["Sec-WebSocket-Accept"] = false },
    ["another key's accept"] = answer { ["Sec-WebSocket-Accept"] = codec.accept_key(key_of(16)) },
    ["an accept in another case"] = answer { ["Sec-WebSocket-Accept"] = accept:lower() },
    ["an accept and more"] = answer { ["Sec-WebSocket-Accept"] = accept .. "=" },
    ["two accepts"] = answer({}, "Sec-WebSocket-Accept: " .. accept),
    ["a head that is refused"] = answer({}, "X : y"),
  } do
    it("refuses " .. name, function()
      local ok, message, code = codec.check_answer(bytes, key)
      assert.is_nil(ok)
      assert.matches("^%u.*%.$", message)
      assert.equal("protocol", code)
    end)
  end
end)
