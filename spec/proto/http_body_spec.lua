local codec = require("neap.core").codec
local wire = require "spec.support.wire"

local CHUNKED = { chunked = true }

local function read(bytes, how)
  local pieces, used, done = codec.body({ bytes }, how)
  if not pieces then return nil, used, done end
  return table.concat(pieces), bytes:sub(used + 1), done
end

-- Whole and byte by byte: both must see the same.
local function read_both_ways(bytes, how)
  local body, rest, done = read(bytes, how)
  local pieces, used, is_done = codec.body(wire.split(bytes), how)
  assert.equal(body, pieces and table.concat(pieces))
  if not pieces then
    assert.equal(rest, used)
    assert.equal(done, is_done)
  elseif rest == "" then
    assert.equal(done, is_done)
  end
  return body, rest, done
end

describe("a body of known length", function()
  it("ends after its last byte, and leaves what follows", function()
    assert.same({ "abc", "GET /", true }, { read("abcGET /", { length = 3 }) })
    assert.same({ "ab", "", false }, { read_both_ways("ab", { length = 3 }) })
  end)

  it("is over at once when there is none", function()
    assert.same({ "", "GET", true }, { read("GET", {}) })
    assert.same({ "", "GET", true }, { read("GET", { length = 0 }) })
  end)

  it("is refused before its first byte when it is over the limit", function()
    assert.same({ nil, "The body is over the limit.", "too_big" },
      { read("a", { length = 11, limit = 10 }) })
    assert.same({ "a", "", false }, { read("a", { length = 10, limit = 10 }) })
  end)
end)

describe("a chunked body", function()
  for name, case in pairs {
    ["of one chunk"] = { "3\r\nabc\r\n0\r\n\r\n", "abc" },
    ["of several, and what follows"] = { "1\r\na\r\n2\r\nbc\r\n0\r\n\r\nGET /", "abc", "GET /" },
    ["of none"] = { "0\r\n\r\n", "" },
    ["with sizes in either case and zeros in front"] = {
      "00A\r\n0123456789\r\n0a\r\n0123456789\r\n000\r\n\r\n", ("0123456789"):rep(2) },
    ["with line ends inside of it"] = { "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n" },
    ["with extensions"] = { '1;a=b;c="d\\"e"\r\nx\r\n0;z\r\n\r\n', "x" },
    ["with trailers"] = { "1\r\nx\r\n0\r\nExpires: never\r\nX:\r\n\r\nGET", "x", "GET" },
  } do
    it("is read: " .. name, function()
      local body, rest, done = read_both_ways(case[1], CHUNKED)
      if not case[3] then assert.is_true(done) end
      assert.equal(case[2], body)
      if case[3] then assert.equal(case[3], rest) end
    end)
  end

  -- What readers have disagreed about, and so what requests were smuggled with.
  local refused = {
    "\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\n", "1 \r\n", "1\t\r\n", "1 ;a\r\n",
    "1\n", "1\r", "1\rx", "1;a\n", "1;a\rb", "1;a\0\r\n", ";a\r\n", "1,2\r\n", "1_0\r\n",
    "g\r\n", "1\r\nab\r\n", "1\r\na\n", "1\r\na\rb", "1\r\na0\r\n", "1\r\n\r\n",
    "1000000000000000\r\n", "0000000000000000\r\n", "ffffffffffffffff\r\n", "10000000000000001\r\n",
    "0\r\nX: a\n", "0\r\nX: a\r \n", "0\r\n X: a\r\n", "0\r\nX : a\r\n", "0\r\n: a\r\n",
    "0\r\nX\r\n",
    "0\r\nX: a\r\n folded\r\n", "0\r\nX: \0\r\n", "0\n", "0\r\n\n", "0\r\n\rx", "\0", "\n",
    "1\r\na\r\n\r\n", "1\r\na\r\nx", "1\r\na\n\n0\r\n\r\n",
    "0\r\nX: a\n\n\r\n", "1;" .. ("a"):rep(5000) .. "\r\n",
    "0\r\n" .. ("X: a\r\n"):rep(2000) .. "\r\n", ("1;" .. ("a"):rep(100) .. "\r\nx\r\n"):rep(60),
  }
  for i, bytes in ipairs(refused) do
    it(("is refused: %d %q"):format(i, bytes:sub(1, 20)), function()
      local body, message, code = read_both_ways(bytes .. (" "):rep(3), CHUNKED)
      assert.is_nil(body)
      assert.is_string(message)
      assert.equal("protocol", code)
    end)
  end

  it("may have short extensions on every chunk", function()
    local bytes = ("1;ieof\r\nx\r\n"):rep(5000) .. "0\r\n\r\n"
    assert.equal(("x"):rep(5000), (read(bytes, CHUNKED)))
  end)

  it("is refused at the size line with which it passes the limit", function()
    local how = { chunked = true, limit = 10 }
    assert.same({ "12345", "", false }, { read_both_ways("5\r\n12345", how) })
    local body, _, code = read_both_ways("5\r\n12345\r\n6\r\n", how)
    assert.same({ nil, "too_big" }, { body, code })
    assert.equal("1234567890", (read_both_ways("5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n", how)))
    body, _, code = read("fffffffffffffff\r\n", how)
    assert.same({ nil, "too_big" }, { body, code })
  end)

  it("that was cut into chunks at random is what it was", function()
    math.randomseed(7230, 3)
    for _ = 1, 200 do
      local whole, parts = {}, {}
      for i = 1, math.random(0, 8) do
        whole[i] = ("\r\n;x0"):rep(math.random(200)):sub(1, math.random(300))
        parts[i] = ("%x\r\n%s\r\n"):format(#whole[i], whole[i])
      end
      local bytes = table.concat(parts) .. "0\r\n\r\n"
      local body, rest, done = read_both_ways(bytes, CHUNKED)
      assert.same({ table.concat(whole), "", true }, { body, rest, done })
    end
  end)
end)
