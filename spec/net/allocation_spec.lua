-- The hot paths make no malloc of their own: receive → handler → send, and
-- publish. Counted in a process that counts malloc and calloc.

local life = require "spec.support.life"
local server = require "spec.support.server"

local library = server.temporary ".so"

local function build()
  local include = io.popen("pkg-config --cflags lua5.4"):read "l"
  assert(os.execute(("cc -shared -fPIC -O1 %s -o %s spec/support/malloc_count.c"):format(
    include, library)))
end

local SCRIPT = [[
  local neap = require "neap"
  local core = require "neap.core"
  local count = assert(package.loadlib(%q, "luaopen_malloc_count"))()
  local n = 5000
  local app = neap.app()
  local short, long = "twenty bytes of text", ("a text that compresses; "):rep(60)
  app:ws("/echo", { message = function(_, data) return data end })
  app:ws("/send", { message = function(conn, data, kind) conn:send(data, kind) end })
  app:ws("/task", function(conn) for data in conn:messages() do conn:send(data) end end)
  app:ws("/room", {
    open = function(conn) conn:subscribe "room" end,
    message = function(conn, data) app:publish("room", data) end,
  })
  app:ws("/deflate", {
    open = function(conn) conn:subscribe "all" end,
    message = function(conn, data, kind)
      if kind == "binary" then app:publish("all", data, kind) else conn:send(data) end
    end,
  })
  app:ws("/takeover", {
    deflate = { takeover = true }, message = function(_, data) return data end,
  })

  local function measure(path, text, kind)
    neap.run(function()
      local listener = app:listen "http://127.0.0.1:0"
      local _, port = listener:address()
      local conn = assert(neap.connect(("ws://127.0.0.1:%%d%%s"):format(port, path),
        { deflate = { takeover = path == "/takeover" } }))
      local function turn(times)
        for _ = 1, times do
          assert(conn:send(text, kind))
          assert(conn:receive(20))
        end
      end
      turn(200)
      local before = count()
      turn(n)
      print(path, kind, count() - before)
      listener:close()
    end)
  end
  for _, path in ipairs { "/echo", "/send", "/task", "/room" } do measure(path, short, "text") end
  measure("/deflate", long, "text")
  measure("/deflate", long, "binary")
  measure("/takeover", long, "text")
]]

-- The sanitizer's malloc can't be replaced, so there is nothing to count there.
local preload = os.getenv "NEAP_PRELOAD" or ""
if preload ~= "" then return end

describe("the hot paths", function()
  local output, status

  setup(function()
    build()
    status, output = life.die(SCRIPT:format(library), library)
  end)

  teardown(function() os.remove(library) end)

  for _, path in ipairs {
    "/echo%s+text", "/send%s+text", "/task%s+text", "/room%s+text", "/deflate%s+text",
    "/deflate%s+binary", "/takeover%s+text",
  } do
    it("allocate nothing per message in C: " .. path:gsub("%%s%+", ", "), function()
      assert.equal(0, status, output)
      local calls = tonumber(output:match(path .. "%s+(%d+)"))
      -- A long message may come before it is asked for, and is then kept.
      local is_long = path:find "deflate" or path:find "takeover"
      local most = is_long and 2500 or 20
      assert.is_true(calls <= most, ("%d calls for 5000 messages"):format(calls))
    end)
  end
end)

local BULK = [[
  local neap = require "neap"
  local app = neap.app { limits = { message = "16M", queue = "64M" } }
  app:ws("/", { message = function(_, data) return data end })

  local function resident()
    local kib = io.open("/proc/self/status"):read("a"):match "VmRSS:%s+(%d+)"
    return tonumber(kib)
  end

  neap.run(function()
    local listener = app:listen "http://127.0.0.1:0"
    local _, port = listener:address()
    local conn = assert(neap.connect(("ws://127.0.0.1:%d/"):format(port),
      { limits = { message = "16M", queue = "64M" } }))
    local before, text = resident(), ("x"):rep(8000000)
    for _ = 1, 8 do
      conn:send(text, "binary")
      assert(#conn:receive(20) == #text)
    end
    text = nil
    local most = resident()
    local deadline = neap.now() + 30
    while resident() - before > 8192 and neap.now() < deadline do neap.sleep(2.5) end
    print("grown", most - before, "kept", resident() - before)
    conn:close()
    listener:close()
  end)
]]

describe("large messages", function()
  it("leave no memory behind once the loop rests", function()
    local status, output = life.die(BULK)
    assert.equal(0, status, output)
    local grown, kept = output:match "grown%s+(%d+)%s+kept%s+(%-?%d+)"
    assert.is_true(tonumber(grown) > 16384, output)
    assert.is_true(tonumber(kept) <= 8192, output)
  end)
end)
