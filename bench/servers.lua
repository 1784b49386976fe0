-- The servers that are measured: neap, the floors, and peers. Each has a name and,
-- for each kind of modes (plain, tls, deflate), a command and its port.

local M = { BUILD = "build/bench/" }

local FIRST_PORT = 19001
local PACKAGED_PORT = FIRST_PORT + 100

-- Peers as Debian's packages give them; probe fails where one is not here, and
-- may print what is missing instead of the package.
local PACKAGED = {
  { name = "ws", kinds = { "tls", "deflate" }, package = "node-ws",
    command = "env NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs node bench/peers/ws.js",
    probe = "NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs node -e 'require(\"ws\")'" },
  { name = "python-websockets", kinds = { "tls", "deflate" }, package = "python3-websockets",
    command = "/usr/bin/python3 bench/peers/python_websockets.py",
    probe = "/usr/bin/python3 -c 'import websockets'" },
  { name = "libwebsockets", kinds = { "tls", "deflate" }, package = "libwebsockets-dev",
    command = M.BUILD .. "libwebsockets",
    probe = "test -x " .. M.BUILD .. "libwebsockets" },
  { name = "nginx with lua", kinds = { "tls" },
    command = "bench/peers/nginx.sh",
    probe = "bench/peers/nginx.sh --check" },
  { name = "lua-http", kinds = { "tls" }, package = "lua-http",
    command = "lua5.4 bench/peers/lua_http.lua",
    probe = "lua5.4 bench/peers/lua_http.lua --check" },
}

local function find_missing(packaged)
  local pipe = assert(io.popen(packaged.probe .. " 2>/dev/null"))
  local line = pipe:read "l"
  if pipe:close() then return nil end
  return ("%s (%s)"):format(packaged.name, line or "package " .. packaged.package)
end

-- Servers of one name stand in one column, each for its kind of modes.
function M.add_peer(peers, name, kind, command, port)
  local peer = peers[name]
  if not peer then
    peer = { name = name, kinds = {} }
    peers[name] = peer
    table.insert(peers, peer)
  end
  peer.kinds[kind] = { name = name, command = command, port = port }
end

local function add_kinds(peers, packaged, port)
  M.add_peer(peers, packaged.name, "plain", ("%s %d"):format(packaged.command, port), port)
  for i, kind in ipairs(packaged.kinds) do
    local command = ("%s %d %s"):format(packaged.command, port + i, kind)
    M.add_peer(peers, packaged.name, kind, command, port + i)
  end
end

-- Adds the packaged peers that are here, and returns what the others lack.
function M.add_packaged(peers)
  local missing = {}
  for i, packaged in ipairs(PACKAGED) do
    local lack = find_missing(packaged)
    if lack then
      table.insert(missing, lack)
    else
      add_kinds(peers, packaged, PACKAGED_PORT + 10 * i)
    end
  end
  return missing
end

-- workers: how many threads it has; nil: one.
function M.neap(workers)
  local name = workers and ("neap, workers: %d"):format(workers) or "neap"
  local self = { name = name, kinds = {} }
  local command = ("build/bin/neap bench/serve.lua --workers %d -l "):format(workers or 1)
  local function add(kind, url, extra)
    local port = FIRST_PORT + 10 * #kind
    self.kinds[kind] =
      { name = name, port = port, command = command .. url .. port .. (extra or "") }
  end
  add("plain", "http://127.0.0.1:")
  add("tls", "https://127.0.0.1:", (" --cert %scert.pem --key %skey.pem"):format(M.BUILD, M.BUILD))
  add("deflate", "http://127.0.0.1:", " --set deflate=true")
  return self
end

local function floor(program, port, processes)
  local name = processes and ("%s, processes: %d"):format(program, processes) or program
  local command = ("%s%s %d %s"):format(M.BUILD, program, port, processes or "")
  return { name = name, kinds = {
    plain = { name = name, port = port, raw = true, command = command } } }
end

function M.floors()
  return { floor("floor_epoll", FIRST_PORT + 1), floor("floor_uv", FIRST_PORT + 2) }
end

-- One worker and several, of neap and of the floor: what the machine itself takes
-- for the second one. base: the column that a column is compared with.
function M.workers(count, floors)
  local list = { M.neap(1), M.neap(count) }
  if floors then
    list[3] = floor("floor_epoll", FIRST_PORT + 1, 1)
    list[4] = floor("floor_epoll", FIRST_PORT + 2, count)
  end
  for i, server in ipairs(list) do server.base = i - (i - 1) % 2 end
  return list
end

return M
