-- permessage-deflate with clients and servers that others wrote, in every
-- combination of windows and take-over.
local neap = require "neap"
local server = require "spec.support.server"

local LONG = os.getenv "NEAP_LONG"
local COUNT = LONG and 10000 or 4

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { limits = { queue = "16M", message = "16M" } }
  local function echo(_, data) return data end
  for name, options in pairs {
    alone = {}, alone10 = { window = 10, min = 0 }, over = { takeover = true },
    over10 = { takeover = true, window = 10, min = 0, level = 6 },
  } do
    app:ws("/" .. name, { deflate = options, message = echo })
  end
  return app
]]

local PEERS = {
  ["python-websockets"] = "/usr/bin/python3 spec/support/deflate_peer.py ",
  ["ws of npm"] = "node spec/support/deflate_peer.js ",
}

local function run(command)
  local pipe <close> = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  return pipe:read "a"
end

describe("a compressing server", function()
  local running

  setup(function() running = server.start(SCRIPT) end)
  teardown(function() running:stop() end)

  for name, command in pairs(PEERS) do
    for _, path in ipairs { "alone", "alone10", "over", "over10" } do
      it(("satisfies %s, /%s"):format(name, path), function()
        local url = ("%s/%s"):format(running.url, path)
        assert.equal("ok\n", run(("%sclient %s %d"):format(command, url, COUNT)))
      end)
    end
  end
end)

-- A server of another's, whose input ends with this function.
local function with_ports(command, fn)
  local fifo = server.temporary()
  assert(os.execute("mkfifo " .. fifo))
  local pipe <close> = assert(io.popen(
    ("exec setpriv --pdeathsig KILL -- env -u LD_PRELOAD %s server <%s"):format(command, fifo)))
  local stop <close> = assert(io.open(fifo, "w"))
  os.remove(fifo)
  local ports = {}
  for port in (pipe:read "l" or ""):gmatch "%d+" do ports[#ports + 1] = math.tointeger(port) end
  assert.equal(36, #ports)
  fn(ports)
  stop:close()
end

local WORDS = { "foo", "bar", "été", "日本", "quux", "😀" }
local SIZES = { 0, 1, 20, 200, 511, 512, 600, 2000, 5000, 20000 }

local function make_message()
  local words, size, target = {}, 0, SIZES[math.random(#SIZES)]
  while size < target do
    local word = WORDS[math.random(#WORDS)] .. math.random(0, 99)
    words[#words + 1] = word
    size = size + #word
  end
  return table.concat(words)
end

local function talk(port, options)
  local conn <close> = assert(neap.connect(("ws://127.0.0.1:%d/"):format(port),
    { deflate = options, limits = { queue = "16M", message = "16M" } }))
  for i = 1, COUNT do
    local message, kind = make_message(), i % 3 == 0 and "binary" or "text"
    assert(conn:send(message, kind))
    local data, got = conn:receive(60)
    assert.is_true(data == message and got == kind)
  end
end

describe("a compressing client", function()
  for name, command in pairs(PEERS) do
    it("satisfies " .. name, function()
      with_ports(command, function(ports)
        neap.run(function()
          for _, port in ipairs(ports) do
            for _, options in ipairs {
              {}, { min = 0 }, { takeover = true }, { takeover = true, min = 0, level = 9 },
            } do
              talk(port, options)
            end
          end
        end)
      end)
    end)
  end
end)
