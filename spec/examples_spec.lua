-- Every example is short, starts, and does what its first line says.
local neap = require "neap"
local server = require "spec.support.server"
local tls_client = require "spec.support.tls_client"
local ws = require "spec.support.ws"

local json = require "dkjson"

local function examples()
  local list <close> = assert(io.popen "ls examples/*.lua")
  local paths = {}
  for path in list:lines() do paths[#paths + 1] = path end
  return paths
end

local function get(port, path)
  local head = "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
  return ws.ask(port, head:format(path))
end

-- The next event of the chat whose type is `kind`.
local function event(client, kind)
  local value
  repeat value = json.decode((assert(client:receive()))) until value.type == kind
  return value
end

local scenes = {}

-- The relay's feed is not there yet, and it says so.
local words_of = { ["examples/relay.lua"] = { "--log-level", "error" } }

local listen_of = { ["examples/tls.lua"] = "https://127.0.0.1:0" }

scenes["examples/echo.lua"] = function(port)
  local client <close> = ws.connect(port, "/")
  client:send("text", ws.TEXT)
  assert.same({ "text", ws.TEXT }, { client:receive() })
  client:send("\xff\0", ws.BINARY)
  assert.same({ "\xff\0", ws.BINARY }, { client:receive() })
end

scenes["examples/tls.lua"] = function(port)
  assert.matches("You came by TLSv1", tls_client.get(port, "/"), 1, true)
  neap.run(function()
    local options = { ca = "examples/localhost.pem" }
    local conn <close> = assert(neap.connect(("wss://localhost:%d/client"):format(port), options))
    conn:send(tostring(port))
    assert.matches("welcome to TLSv1", (conn:receive(10)), 1, true)
  end)
  os.remove "examples/localhost.pem"
  os.remove "examples/localhost.key"
end

scenes["examples/relay.lua"] = function()
  local feed <close> = server.start [[
    local app = require "neap".app{}
    app:ws("/", { message = function(conn, data)
      conn:every(0.05, function() conn:send("news for " .. data) end)
    end })
    return app
  ]]
  local relay <close> = server.start("examples/relay.lua", { "--", feed.url .. "/" })
  local client <close> = ws.connect(relay.port, "/")
  assert.equal('news for {"subscribe":"all"}', client:receive())
end

scenes["examples/clock.lua"] = function(port)
  assert.matches("^text/html", get(port, "/")["content-type"])
  local one <close> = ws.connect(port, "/")
  local other <close> = ws.connect(port, "/")
  for _, client in ipairs { one, other } do
    local first, second = client:receive(), client:receive()
    assert.matches("^%d%d:%d%d:%d%d$", first)
    assert.matches("^%d%d:%d%d:%d%d$", second)
  end
end

scenes["examples/chat.lua"] = function(port)
  assert.matches("<!doctype html>", get(port, "/").body, 1, true)
  local ann <close> = ws.connect(port, "/chat/lobby?name=Ann")
  assert.same({ "Ann" }, event(ann, "people").names)
  local elsewhere <close> = ws.connect(port, "/chat/harbour?name=Cy")
  do
    local bob <close> = ws.connect(port, "/chat/lobby?name=Bob%20B")
    assert.same({ "Ann", "Bob B" }, (function(names)
      table.sort(names)
      return names
    end)(event(ann, "people").names))
    bob:send 'hello "Ann"'
    for _, client in ipairs { ann, bob } do
      local heard = event(client, "message")
      assert.equal('Bob B hello "Ann"', heard.from .. " " .. heard.text)
    end
  end
  assert.same({ "Ann" }, event(ann, "people").names)
  assert.same({ "Cy" }, event(elsewhere, "people").names)
  elsewhere:send "alone"
  assert.equal("alone", event(elsewhere, "message").text)
end

describe("the example", function()
  for _, path in ipairs(examples()) do
    it(path .. " has 40 lines at most", function()
      local count = 0
      for _ in io.lines(path) do count = count + 1 end
      assert.is_true(count <= 40, count .. " lines")
    end)

    it(path .. " runs, and leaves nothing behind", function()
      local options = { listen = listen_of[path], table.unpack(words_of[path] or {}) }
      local running <close> = server.start(path, options)
      assert(scenes[path], "no scene for this example")(running.port)
      local status, out, err = running:stop()
      assert.equal("", err)
      assert.matches("leaked=0", out, 1, true)
      assert.equal(0, status)
    end)
  end
end)
