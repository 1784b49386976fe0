-- The bench's jobs for lua-http: lua_http.lua PORT [tls], or
-- --check to see whether it is here.

-- It and what it needs are plain Lua; Debian 12 has them where older Luas look.
for _, version in ipairs { "5.3", "5.2", "5.1" } do
  local root = "/usr/share/lua/" .. version
  package.path = ("%s;%s/?.lua;%s/?/init.lua"):format(package.path, root, root)
end

local server = require "http.server"
local websocket = require "http.websocket"

if arg[1] == "--check" then return end

local feed = {}
local jobs = {}

jobs["/feed"] = function(socket)
  feed[socket] = true
  while socket:receive() do end
  feed[socket] = nil
end

jobs["/publish"] = function(socket)
  for data, opcode in socket:each() do
    for reader in pairs(feed) do reader:send(data, opcode) end
  end
end

jobs["/"] = function(socket)
  for data, opcode in socket:each() do socket:send(data, opcode) end
end

local function serve(_, stream)
  local headers = stream:get_headers()
  local socket = headers and websocket.new_from_stream(stream, headers)
  if socket and socket:accept() then
    jobs[headers:get ":path"](socket)
    socket:close()
  end
end

local function read_pem(class, name)
  local file <close> = assert(io.open("build/bench/" .. name .. ".pem"))
  return require("openssl." .. class).new(file:read "a")
end

local function new_tls()
  local context = require("http.tls").new_server_context()
  context:setCertificate(read_pem("x509", "cert"))
  context:setPrivateKey(read_pem("pkey", "key"))
  return context
end

local is_tls = arg[2] == "tls"
assert(assert(server.listen {
  host = "127.0.0.1", port = tonumber(arg[1]), version = 1.1,
  tls = is_tls, ctx = is_tls and new_tls() or nil,
  onstream = serve,
  onerror = function() end, -- a connection that went away
}):loop())
