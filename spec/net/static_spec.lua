-- Static files over a socket: what lies in the directory, and nothing beside it.
local http = require "spec.support.http"
local server = require "spec.support.server"

local LAYOUT = [[
set -e
mkdir -p "$1" && cd "$1"
mkdir -p public/docs public/empty public/.git public/.well-known outside public/deep/er
printf secret >outside/secret.txt; printf secret >secret.txt; printf secret >public-secret.txt
printf '<h1>home' >public/index.html; printf docs >public/docs/index.html
printf hello >public/hello.txt; printf config >public/.git/config; printf env >public/.env
printf x >public/.well-known/x; printf '' >public/nothing.txt; printf deep >public/deep/er/x.txt
printf plus >'public/a+b c.txt'; printf percent >'public/100%25.txt'; printf back >'public/a\\b.txt'
seq 1 2000 >public/long.js; gzip -k public/long.js; printf 'brotli' >public/long.js.br
ln -s ../outside/secret.txt public/out.txt; ln -s hello.txt public/in.txt
ln -s ../outside public/outdir; ln -s docs public/indir; ln -s / public/root
ln -s /etc/passwd public/passwd; ln -s loop public/loop
mkfifo public/fifo; ln public/hello.txt public/hard.txt
mknod public/null c 1 3 2>/dev/null || true; chmod 000 public/empty
head -c 20000000 /dev/urandom >public/big.bin
]]

local SCRIPT = [[
local neap = require "neap"
local app = neap.app()
app:static("/assets", %q, {cache = 60, index = false, precompressed = false})
app:static("/hidden/", %q, {hidden = true, cache = "no-cache", headers = {["X-A"] = "b"}})
app:static("/", %q)
return app
]]

-- Each of these answers 404, or 400 where the target itself is no path.
local REFUSED = {
  "/../secret.txt", "/../outside/secret.txt", "/../public-secret.txt", "/./hello.txt",
  "/docs/../hello.txt", "/docs/./index.html", "/docs/..", "/docs/../../secret.txt",
  "/%2e%2e/secret.txt", "/%2E%2E/secret.txt", "/.%2e/secret.txt", "/%2e./secret.txt",
  "/%2e/hello.txt", "/docs/%2e%2e/hello.txt", "/docs/%2e%2e/%2e%2e/secret.txt",
  "/..%2fsecret.txt", "/..%2Fsecret.txt", "/%2e%2e%2fsecret.txt", "/docs%2findex.html",
  "/docs%2f..%2f..%2fsecret.txt", "/%2fetc/passwd", "/%2f%2fetc%2fpasswd",
  "/%252e%252e/secret.txt", "/%252e%252e%252fsecret.txt", "/..%252fsecret.txt",
  "/..%5csecret.txt", "/..\\secret.txt", "/%5c..%5csecret.txt", "/docs\\..\\hello.txt",
  "/docs%5cindex.html", "/a%5cb.txt", "//etc/passwd", "///etc/passwd", "//hello.txt",
  "/docs//index.html", "/hello.txt/", "/hello.txt//", "/hello.txt%00", "/hello.txt%00.html",
  "/%00", "/docs/%00/index.html", "/hello.txt%20", "/hello.txt.", "/HELLO.TXT",
  "/out.txt", "/in.txt", "/outdir/secret.txt", "/outdir", "/outdir/", "/indir/index.html", "/indir",
  "/root/etc/passwd", "/passwd", "/loop", "/fifo", "/null", "/empty/", "/.git/config", "/.git/",
  "/.env", "/docs/.env", "/%c0%ae%c0%ae/secret.txt", "/%e0%80%ae%e0%80%ae/secret.txt",
  "/..;/secret.txt", "/.../hello.txt", "/~root/", "/" .. ("a"):rep(300), "/" .. ("a/"):rep(2000),
  "/%zz", "/%", "/hello.txt%", "/public/hello.txt", "/nothing-here",
}

describe("static files", function()
  local running, top

  setup(function()
    top = server.temporary()
    local script = server.temporary ".sh"
    local file = assert(io.open(script, "w"))
    file:write(LAYOUT)
    file:close()
    local made = os.execute(("sh %s %s"):format(script, top))
    os.remove(script)
    assert(made)
    local public = top .. "/public"
    running = server.start(SCRIPT:format(public, public, public))
  end)

  teardown(function()
    local status = running:stop()
    os.execute("chmod -R u+rwx " .. top .. "; rm -rf " .. top)
    assert.equal(0, status)
  end)

  local function ask(path, fields, method)
    local peer <close> = http.connect(running.port)
    peer:send(("%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"):format(
      method or "GET", path, fields or ""))
    return assert(peer:read_answer(method == "HEAD"))
  end

  local function body_of(path, ...)
    local answer = ask(path, ...)
    assert.equal(200, answer.status)
    return answer.body
  end

  it("are served with their type, length and validators", function()
    local answer = ask "/hello.txt"
    assert.same({ 200, "hello", "5", "text/plain; charset=utf-8", "bytes", "nosniff" }, {
      answer.status, answer.body, answer["content-length"], answer["content-type"],
      answer["accept-ranges"], answer["x-content-type-options"],
    })
    assert.matches('^"%x+%-%x+%-5"$', answer.etag)
    assert.matches("^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$", answer["last-modified"])
  end)

  it("are found by any spelling of their name", function()
    assert.equal("plus", body_of "/a+b%20c.txt")
    assert.equal("percent", body_of "/100%2525.txt")
    assert.equal("hello", body_of "/%68ello.txt?x=/../y")
    assert.equal("hello", body_of "http://localhost/hello.txt")
    assert.equal("deep", body_of "/deep/er/x.txt")
    assert.equal("hello", body_of "/hard.txt")
    assert.equal("x", body_of "/.well-known/x")
    assert.equal("", body_of "/nothing.txt")
  end)

  it("have a page for a directory, whose address ends with a slash", function()
    assert.equal("<h1>home", body_of "/")
    assert.equal("docs", body_of "/docs/")
    local moved = ask "/docs?a=b"
    assert.same({ 301, "/docs/?a=b" }, { moved.status, moved.location })
    assert.equal("/assets/", ask("/assets").location)
    assert.equal(404, ask("/deep/").status)
  end)

  it("are not listed, nor is a page looked for, where the script says so", function()
    assert.equal(404, ask("/assets/docs/").status)
    assert.equal(404, ask("/assets/docs").status)
    assert.equal("hello", body_of "/assets/hello.txt")
  end)

  for _, path in ipairs(REFUSED) do
    it(("are not reached by %q"):format(#path > 60 and path:sub(1, 60) .. "…" or path), function()
      local answer = ask(path)
      assert.is_true(answer.status == 404 or answer.status == 400, "it was " .. answer.status)
      assert.is_nil(answer.body:find("secret", 1, true))
      assert.is_nil(answer.body:find("root:", 1, true))
    end)
  end

  it("are hidden behind a dot unless the script says so", function()
    assert.equal("config", body_of "/hidden/.git/config")
    assert.equal(404, ask("/hidden/../secret.txt").status)
  end)

  it("say how long they may be kept, as the script does", function()
    assert.equal("public, max-age=60", ask("/assets/hello.txt")["cache-control"])
    local answer = ask "/hidden/hello.txt"
    assert.same({ "no-cache", "b" }, { answer["cache-control"], answer["x-a"] })
    assert.is_nil(ask("/hello.txt")["cache-control"])
  end)

  it("take GET and HEAD alone", function()
    local answer = ask("/hello.txt", nil, "HEAD")
    assert.same({ 200, "5", "" }, { answer.status, answer["content-length"], answer.body })
    answer = ask("/hello.txt", "Content-Length: 0\r\n", "POST")
    assert.same({ 405, "GET, HEAD" }, { answer.status, answer.allow })
  end)

  it("are not sent again to who has them", function()
    local known = ask "/hello.txt"
    for _, fields in ipairs {
      "If-None-Match: " .. known.etag, "If-None-Match: W/" .. known.etag, "If-None-Match: *",
      'If-None-Match: "x", ' .. known.etag, "If-Modified-Since: " .. known["last-modified"],
      "If-Modified-Since: Fri, 31 Dec 2099 23:59:59 GMT",
    } do
      local answer = ask("/hello.txt", fields .. "\r\n")
      assert.same({ 304, "", known.etag }, { answer.status, answer.body, answer.etag }, fields)
      assert.is_nil(answer["content-type"])
    end
    for _, fields in ipairs {
      'If-None-Match: "x"', "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
      "If-Modified-Since: yesterday",
      'If-None-Match: "x"\r\nIf-Modified-Since: ' .. known["last-modified"],
    } do
      assert.equal("hello", body_of("/hello.txt", fields .. "\r\n"))
    end
    assert.equal(412, ask("/hello.txt", 'If-Match: "x"\r\n').status)
    assert.equal("hello", body_of("/hello.txt", "If-Match: " .. known.etag .. "\r\n"))
    assert.equal(412,
      ask("/hello.txt", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n").status)
  end)

  it("come in part", function()
    for range, wanted in pairs {
      ["bytes=0-0"] = { "h", "0-0" }, ["bytes=1-3"] = { "ell", "1-3" },
      ["bytes=2-"] = { "llo", "2-4" }, ["bytes=-2"] = { "lo", "3-4" },
      ["bytes=0-999"] = { "hello", "0-4" }, ["bytes=-999"] = { "hello", "0-4" },
      ["Bytes=4-4"] = { "o", "4-4" }, ["bytes=0-99999999999999999999"] = { "hello", "0-4" },
    } do
      local answer = ask("/hello.txt", "Range: " .. range .. "\r\n")
      assert.same({ 206, wanted[1], "bytes " .. wanted[2] .. "/5" },
        { answer.status, answer.body, answer["content-range"] }, range)
    end
    for _, range in ipairs {
      "bytes=5-", "bytes=-0", "bytes=9-10", "bytes=99999999999999999999-",
    } do
      local answer = ask("/hello.txt", "Range: " .. range .. "\r\n")
      assert.same({ 416, "bytes */5" }, { answer.status, answer["content-range"] }, range)
    end
    for _, range in ipairs {
      "bytes=3-1", "bytes=", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "0-1",
    } do
      assert.equal("hello", body_of("/hello.txt", "Range: " .. range .. "\r\n"))
    end
    assert.equal(416, ask("/nothing.txt", "Range: bytes=0-\r\n").status)
  end)

  it("come in part only of what the client has the rest of", function()
    local known = ask "/hello.txt"
    local range = "Range: bytes=1-2\r\nIf-Range: "
    assert.equal(206, ask("/hello.txt", range .. known.etag .. "\r\n").status)
    assert.equal(206, ask("/hello.txt", range .. known["last-modified"] .. "\r\n").status)
    assert.equal("hello", body_of("/hello.txt", range .. '"x"\r\n'))
    assert.equal("hello", body_of("/hello.txt", range .. "W/" .. known.etag .. "\r\n"))
    assert.equal("hello", body_of("/hello.txt", range .. "Thu, 01 Jan 1970 00:00:00 GMT\r\n"))
  end)

  it("come compressed to who takes them so, under validators of their own", function()
    local plain = ask "/long.js"
    assert.same({ "Accept-Encoding", nil }, { plain.vary, plain["content-encoding"] })
    for accept, wanted in pairs {
      ["gzip"] = "gzip", ["gzip, deflate, br"] = "br", ["br;q=0, gzip"] = "gzip",
      ["br;q=0.1, gzip;q=1"] = "br", ["*"] = "br", ["identity"] = "none", ["gzip;q=0"] = "none",
    } do
      local answer = ask("/long.js", "Accept-Encoding: " .. accept .. "\r\n")
      assert.equal(wanted, answer["content-encoding"] or "none", accept)
      assert.equal("text/javascript; charset=utf-8", answer["content-type"])
      assert.equal("Accept-Encoding", answer.vary)
      if wanted ~= "none" then assert.not_equal(plain.etag, answer.etag) end
    end
    assert.is_nil(ask("/hello.txt", "Accept-Encoding: gzip\r\n")["content-encoding"])
    assert.is_nil(ask("/assets/long.js", "Accept-Encoding: gzip\r\n")["content-encoding"])
  end)

  local function sum_of(command)
    local pipe <close> = io.popen(("unset LD_PRELOAD; %s | sha256sum"):format(command))
    return pipe:read "l"
  end

  it("come whole when they are big, ten at once, while others are served", function()
    local url = ("http://127.0.0.1:%d/big.bin"):format(running.port)
    local wanted = sum_of("cat " .. top .. "/public/big.bin")
    local all = io.popen(("unset LD_PRELOAD; "
      .. "for i in $(seq 10); do curl -sm 100 %s | sha256sum & done; wait"):format(url))
    assert.equal("hello", body_of "/hello.txt")
    local count = 0
    for line in all:lines() do
      count = count + 1
      assert.equal(wanted, line)
    end
    all:close()
    assert.equal(10, count)
    assert.equal(sum_of("tail -c +1000001 " .. top .. "/public/big.bin | head -c 3000000"),
      sum_of("curl -sm 100 -r 1000000-3999999 " .. url))
  end)

  it("are closed when a client leaves in the midst of one", function()
    local before = running:descriptors()
    for _ = 1, 5 do
      local peer <close> = http.connect(running.port)
      peer:send "GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"
      assert(peer:read_head())
      peer.tcp:setoption("linger", { on = true, timeout = 0 })
    end
    for _ = 1, 1000 do
      if running:descriptors() <= before then break end
      os.execute "sleep 0.02"
    end
    assert.is_true(running:descriptors() <= before)
    assert.equal("hello", body_of "/hello.txt")
  end)
end)
