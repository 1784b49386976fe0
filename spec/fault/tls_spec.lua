-- Many TLS connections, of which a quarter fails in the handshake; and each of
-- OpenSSL's allocations failing once. What OpenSSL has afterwards is, to the
-- byte, what it had before; what an idle one takes in between is bounded.

local life = require "spec.support.life"
local server = require "spec.support.server"

local is_long = os.getenv "NEAP_LONG"
local is_slow = (os.getenv "NEAP_PRELOAD" or "") ~= "" -- under the sanitizer
local CYCLES = is_long and 200000 or is_slow and 200 or 4000
local STEP = is_long and 1 or is_slow and 97 or 13

local PRELUDE = [[
  local count = assert(package.loadlib(%q, "luaopen_crypto_count"))()
  local neap, core = require "neap", require "neap.core"
  local socket = require "socket"
  local tls_world = require "spec.support.tls_world"
  require("neap.log").configure { level = "error", write = function() end }
  local app = neap.app { timeouts = { handshake = 20, close = 1 } }
  app:ws("/", { message = function(_, data) return data end })
  local world, port = { app = app }, nil
  neap.run(function() port = tls_world.listen(world) end)
  local url = ("wss://localhost:%%d/"):format(port)
  -- One context each: the cache of clients lets go of those that are unused.
  local trusting = { ca = tls_world.cert }
  local wary = { ca = core.self_signed("localhost", "DNS:localhost", 1) }
  local kept = { require("neap.tls").for_client(trusting), require("neap.tls").for_client(wary) }

  local function descriptors()
    local number = 0
    for _ in io.popen("ls /proc/self/fd"):lines() do number = number + 1 end
    return number
  end

  local function settle()
    for _ = 1, 1000 do
      collectgarbage()
      collectgarbage()
      if core.counts().tls.live == 0 then return end
      neap.sleep(0.01)
    end
    print "LEFT"
  end

  local function measure()
    local result
    neap.run(function()
      settle()
      local blocks, bytes = count.held()
      result = ("%%d blocks, %%d bytes, %%d descriptors, %%d contexts"):format(blocks, bytes,
        descriptors(), core.counts().tls_context.live)
    end)
    return result
  end
]]

local CHURN = PRELUDE .. [[
  local turn = {
    function(conn) conn:close() conn:wait_closed(5) end,
    function(conn) conn:terminate() end,
    function(conn) conn:send "hello" conn:receive(5) conn:close() conn:wait_closed(5) end,
  }

  local function fail(i)
    if i %% 8 == 3 then return assert(not neap.connect(url, wary)) end
    local peer = socket.connect("127.0.0.1", port)
    peer:send(i %% 16 < 8 and "GET / HTTP/1.1\r\n\r\n" or "\22\3\1\0\4\1\0\0\0")
    neap.sleep(0)
    peer:close()
  end

  local function run(cycles)
    neap.run(function()
      for _ = 1, 8 do
        neap.spawn(function()
          while cycles > 0 do
            cycles = cycles - 1
            local i = cycles
            local good = turn[i %% 4 + 1]
            if good then good(assert(neap.connect(url, trusting))) else fail(i) end
          end
        end)
      end
    end)
  end

  run(%d)
  local before = measure()
  run(%d)
  local after = measure()
  print("BEFORE", before)
  print("AFTER", after)
  assert(kept)
]]

local SWEEP = PRELUDE .. [[
  local function scenario()
    local conn = neap.connect(url, trusting)
    if not conn then return end
    if conn:send "hello" then conn:receive(2) end
    conn:close()
    conn:wait_closed(2)
  end

  neap.run(scenario)
  neap.run(scenario)
  count.fail_at()
  neap.run(scenario)
  local total = count.fail_at()
  local runs = 0
  for n = 1, total, %d do
    count.fail_at(n)
    neap.run(scenario)
    count.fail_at()
    neap.run(settle)
    runs = runs + 1
  end
  neap.run(function()
    local conn = assert(neap.connect(url, trusting))
    assert(conn:send "after all" and conn:receive(5) == "after all")
    conn:close()
    conn:wait_closed(5)
  end)
  print("DONE", runs, total)
  assert(kept)
]]

local IDLE = PRELUDE .. [[
  local NUMBER = 40
  neap.run(function()
    local conns, before = { assert(neap.connect(url, trusting)) }, nil
    local function show(name)
      local _, bytes = count.held()
      before = before or bytes
      print(name, (bytes - before) // NUMBER)
    end
    show "START"
    for i = 1, NUMBER do conns[i + 1] = assert(neap.connect(url, trusting)) end
    show "OPEN"
    for _, conn in ipairs(conns) do
      assert(conn:send "hello" and conn:receive(20) == "hello")
    end
    show "USED"
    for _, conn in ipairs(conns) do conn:close() end
  end)
  assert(kept)
]]

describe("OpenSSL's memory", function()
  local library = server.temporary ".so"

  setup(function()
    local flags = io.popen("env -u LD_PRELOAD pkg-config --cflags lua5.4"):read "l"
    assert(os.execute(("env -u LD_PRELOAD cc -shared -fPIC -O1 -Wl,-z,nodelete %s "
      .. "-o %s spec/support/crypto_count.c -lcrypto"):format(flags, library)))
  end)

  teardown(function() os.remove(library) end)

  it("is after many connections what it was before", function()
    local status, output = life.die(CHURN:format(library, CYCLES // 4, CYCLES))
    assert.equal(0, status, output)
    assert.is_nil(output:find "LEFT", output)
    local before, after = output:match "BEFORE%s+([^\n]+)\nAFTER%s+([^\n]+)"
    assert.equal(before, after)
  end)

  -- Of these 31.6 KB the server's end has 13.2. One buffer that stays is 16.6.
  it("is two objects and no buffer for both ends of an idle connection", function()
    local status, output = life.die(IDLE:format(library))
    assert.equal(0, status, output)
    for _, when in ipairs { "OPEN", "USED" } do
      local bytes = tonumber(output:match(when .. "%s+(%d+)"))
      assert.is_true(bytes > 20000 and bytes < 36000, output)
    end
  end)

  it("may run out at any moment: nothing is left, and the next is served", function()
    local status, output = life.die(SWEEP:format(library, STEP))
    assert.equal(0, status, output)
    assert.is_nil(output:find "LEFT", output)
    local runs, total = output:match "DONE%s+(%d+)%s+(%d+)"
    assert.is_true(tonumber(total) > 1000 and tonumber(runs) > 30, output)
  end)
end)
