local codec = require("neap.core").codec
local heads = require "spec.support.heads"
local llhttp = require "spec.support.llhttp"

local targets = {
  "/", "//", "/?", "/a/b?c=d&e=%20", "/|\"<>{}\\^`'", "/a?b?c", "/:@!$&()*+,;=",
  "http://h", "http://h/", "http://h/a?b", "HTTP://H/",
}
local methods = { "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS" }
local lines = {
  "X:", "X: ", "X:a", "X: \ta b\t ", "X: caf\xC3\xA9\xFF", "!#$%&'*+-.^_`|~: a",
  "X: " .. ("a"):rep(5000), "Cookie: a=\"b\"; c", "Expect: 100-continue",
  "Content-Length: 0", "Content-Length: 007", "Content-Lengths: x",
  "Transfer-Encoding: chunked", "TRANSFER-ENCODING: Chunked", "Transfer-Encodin: x",
  "Connection:", "Connection: close", "Connection: Upgrade", "Connection: keep-alive, upgrade",
  "Proxy-Connection: keep-alive", "Upgrade: websocket", "Upgrade: h2c",
}

local function any(list) return list[math.random(#list)] end

local function random_head()
  local chosen = { "Host: h" }
  for _ = 1, math.random(0, 6) do chosen[#chosen + 1] = any(lines) end
  local version = math.random(0, 1)
  return heads.request(chosen, ("%s %s HTTP/1.%d"):format(any(methods), any(targets), version))
end

--- What neap reads, in the form of the oracle's answers; nil when it refuses.
local function read(bytes)
  local head = codec.request(bytes)
  if type(head) ~= "table" then return nil end
  local strings = { head.method, head.target, "1." .. head.minor }
  for _, field in ipairs(head.fields) do
    strings[#strings + 1] = field[1]
    strings[#strings + 1] = field[2]
  end
  return strings
end

local known = {}
for _, method in ipairs(methods) do known[method] = true end

--- Heads that neap accepts, of methods that llhttp has heard of, and what neap
--- read in them.
local function accepted(make, count)
  local found, answers = {}, {}
  for i = 1, count do
    local bytes = make(i)
    local answer = read(bytes)
    if answer and known[answer[1]] then
      found[#found + 1] = bytes
      answers[#answers + 1] = answer
    end
  end
  return found, answers
end

describe("what neap accepts, llhttp", function()
  local missing = llhttp.missing()
  if missing then
    pending("is not asked: " .. missing)
    return
  end

  local program
  setup(function() program = llhttp.build() end)
  teardown(function() os.remove(program) end)

  local function compare(make, count)
    local bytes, expected = accepted(make, count)
    assert.is_true(#bytes > count / 20, "hardly any head was accepted")
    for i, answer in ipairs(llhttp.read(program, bytes)) do
      if answer == false then error(("llhttp refuses %q"):format(bytes[i])) end
      assert.same(expected[i], answer)
    end
  end

  it("refuses when it is spoiled, so it can be asked", function()
    local unfinished, spoiled = "GET / HTTP/1.1\r\n", "GET /\0 HTTP/1.1\r\n\r\n"
    local answers = llhttp.read(program, { heads.request { "Host: a" }, unfinished, spoiled })
    assert.same({ { "GET", "/", "1.1", "Host", "a" }, false, false }, answers)
  end)

  it("reads in the same way", function()
    compare(function(i) return heads.valid[i] end, #heads.valid)
  end)

  it("reads in the same way, in 5,000 heads put together at random", function()
    math.randomseed(7230, 1)
    compare(random_head, 5000)
  end)

  it("reads in the same way, in 20,000 heads spoiled at random", function()
    math.randomseed(7230, 2)
    compare(function(i) return heads.mutate(heads.valid[i % #heads.valid + 1]) end, 20000)
  end)
end)
