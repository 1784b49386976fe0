-- Runs every mode against every server, one at a time: the server on core 0,
-- the load on core 1. Prints a line of JSON per run, then a table.
-- script/bench builds what it needs and starts it; README.md explains.

local json = require "dkjson"
local socket = require "socket"

local modes = dofile "bench/modes.lua"

local BUILD = "build/bench/"
local FIRST_PORT = 19001

-- As Debian installs them.
local PACKAGED = {
  { "ws", "env NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs node bench/peers/ws.js" },
  { "python-websockets", "/usr/bin/python3 bench/peers/python_websockets.py" },
}

local USAGE = [[
usage: bench [options]
  --seconds N            length of each run (5)
  --runs N               runs of each cell, of which the median counts (3)
  --mode TEXT            only modes whose name holds TEXT; may be repeated
  --no-floors            leave the raw echoes out
  --peer NAME[:KIND]=COMMAND PORT   measure another server too; may be repeated.
                         KIND: tls or deflate, for the modes that need it
  --packaged             ws of node and python-websockets, as the packages have them
]]

local function fail(message)
  io.stderr:write("bench: ", message, "\n", USAGE)
  os.exit(2)
end

-- Servers of one name stand in one column, each for its kind of modes.
local function add_peer(peers, label, command, port)
  local name, kind = label:match "^([^:]+):(%w+)$"
  name, kind = name or label, kind or "plain"
  local peer = peers[name]
  if not peer then
    peer = { name = name, kinds = {} }
    peers[name] = peer
    table.insert(peers, peer)
  end
  peer.kinds[kind] = { name = name, command = command, port = port }
end

local function add_packaged(peers)
  local port = FIRST_PORT + 100
  for _, packaged in ipairs(PACKAGED) do
    local name, command = packaged[1], packaged[2]
    add_peer(peers, name, ("%s %d"):format(command, port), port)
    add_peer(peers, name .. ":deflate", ("%s %d deflate"):format(command, port + 1), port + 1)
    port = port + 2
  end
end

local function parse(args)
  local options = { seconds = 5, runs = 3, modes = {}, peers = {}, floors = true }
  local i = 1
  local function take()
    i = i + 1
    return args[i] or fail(args[i - 1] .. " needs a value")
  end
  while args[i] do
    local name = args[i]
    if name == "--seconds" or name == "--runs" then
      options[name:sub(3)] = tonumber(take()) or fail(name .. " needs a number")
    elseif name == "--mode" then
      table.insert(options.modes, take())
    elseif name == "--no-floors" then
      options.floors = false
    elseif name == "--packaged" then
      add_packaged(options.peers)
    elseif name == "--peer" then
      local label, command = take():match "^([^=]+)=(.+)$"
      local port = tonumber(take())
      if not (label and port) then fail "--peer needs NAME=COMMAND PORT" end
      add_peer(options.peers, label, command, port)
    else
      fail("unknown option " .. name)
    end
    i = i + 1
  end
  return options
end

local function neap()
  local command = "build/bin/neap bench/serve.lua -l "
  local self = { name = "neap", kinds = {} }
  local function add(kind, url, extra)
    local port = FIRST_PORT + 10 * #kind
    self.kinds[kind] =
      { name = "neap", port = port, command = command .. url .. port .. (extra or "") }
  end
  add("plain", "http://127.0.0.1:")
  add("tls", "https://127.0.0.1:", (" --cert %scert.pem --key %skey.pem"):format(BUILD, BUILD))
  add("deflate", "http://127.0.0.1:", " --set deflate=true")
  return self
end

local function floor(name, port)
  return { name = name, kinds = {
    plain = { name = name, port = port, raw = true, command = BUILD .. name .. " " .. port } } }
end

local function servers(options)
  local list = { neap() }
  if options.floors then
    list[2], list[3] = floor("floor_epoll", FIRST_PORT + 1), floor("floor_uv", FIRST_PORT + 2)
  end
  return table.move(options.peers, 1, #options.peers, #list + 1, list)
end

local function is_up(port)
  for _ = 1, 100 do
    local tcp = assert(socket.tcp())
    tcp:settimeout(1)
    local ok = tcp:connect("127.0.0.1", port)
    tcp:close()
    if ok then return true end
    socket.sleep(0.05)
  end
  return false
end

-- A server dies with this process, whatever ends that.
local function start(server)
  local pipe = assert(io.popen(
    "echo $$; exec setpriv --pdeathsig KILL -- taskset -c 0 " .. server.command, "r"))
  server.pipe, server.pid = pipe, pipe:read "n"
  return is_up(server.port)
end

local function stop(server)
  os.execute(("kill -TERM %d 2>/dev/null"):format(server.pid))
  server.pipe:close()
end

local function load_words(mode, server, options)
  local words = mode[3]
  if server.raw then words = words:gsub("^echo", "raw") end
  return ("%s --port %d --pid %d --label %s -t %g"):format(
    words, server.port, server.pid, server.name, options.seconds)
end

-- A mode that a raw echo cannot speak, or that a server fails, has no figures.
local function measure(mode, server, options)
  if server.raw and not mode[3]:find "^echo" then return nil end
  local pipe <close> = assert(io.popen(
    "taskset -c 1 " .. BUILD .. "wsload " .. load_words(mode, server, options)))
  local line = pipe:read "a"
  io.write(line)
  local figures = json.decode(line)
  if not figures or figures.errors + figures.bad > 0 then return nil end
  return figures
end

local function rate(n)
  if n >= 1e6 then return ("%.2fM"):format(n / 1e6) end
  if n >= 1e4 then return ("%.0fk"):format(n / 1e3) end
  return ("%.0f"):format(n)
end

local function cost(mode, figures)
  if mode[2] ~= "byte" then return figures.cpu_us_per end
  return figures.touched_rss_bytes_per_conn or figures.rss_bytes_per_conn
end

local function median(mode, runs)
  table.sort(runs, function(a, b) return cost(mode, a) < cost(mode, b) end)
  return runs[(#runs + 1) // 2]
end

-- The figure, and behind it how often neap's cost it is.
local function cell(mode, runs, own)
  if #runs == 0 then return "-" end
  local figures = median(mode, runs)
  local text
  if mode[2] == "byte" then
    text = ("%.0f"):format(cost(mode, figures))
  else
    text = ("%s/s %.2f"):format(rate(figures.msgs_s or figures.conns_s), figures.cpu_us_per)
  end
  if not own or own == runs or #own == 0 then return text end
  return ("%s (%.2f)"):format(text, cost(mode, figures) / cost(mode, median(mode, own)))
end

local function is_wanted(mode, options)
  if #options.modes == 0 then return true end
  for _, text in ipairs(options.modes) do
    if mode[1]:find(text, 1, true) then return true end
  end
  return false
end

local function run_once(mode, server, options, runs)
  if start(server) then
    runs[#runs + 1] = measure(mode, server, options)
  else
    io.stderr:write("bench: ", server.name, " does not answer\n")
  end
  stop(server)
end

-- Each run has a fresh server, so that none profits from the one before; the
-- servers take turns, so that all meet the machine in the same moods.
local function run_mode(mode, list, options)
  local row, runs = { mode[1] }, {}
  for _ = 1, options.runs do
    for i, server in ipairs(list) do
      runs[i] = runs[i] or {}
      local of_kind = server.kinds[mode.kind or "plain"]
      if of_kind then run_once(mode, of_kind, options, runs[i]) end
    end
  end
  for i in ipairs(list) do row[i + 1] = cell(mode, runs[i], runs[1]) end
  return row
end

local function print_table(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i] or 0, #text) end
  end
  for _, row in ipairs(rows) do
    local out = {}
    for i, text in ipairs(row) do
      out[i] = (i == 1 and "%-" or "%") .. widths[i] .. "s"
      out[i] = out[i]:format(text)
    end
    print(table.concat(out, "  "))
  end
end

local function main()
  local options = parse(arg)
  local list = servers(options)
  local rows = { { "per second, server CPU in us for each (its ratio to neap's)" } }
  for i, server in ipairs(list) do rows[1][i + 1] = server.name end
  for _, mode in ipairs(modes) do
    if is_wanted(mode, options) then
      rows[#rows + 1] = run_mode(mode, list, options)
    end
  end
  print()
  print_table(rows)
end

main()
