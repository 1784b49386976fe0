-- Runs every mode against every server, one at a time: the server on core 0,
-- the load on core 1. Prints a line of JSON per run, then a table.
-- script/bench builds what it needs and starts it; README.md explains.

local json = require "dkjson"
local socket = require "socket"

local BUILD = "build/bench/"
local FIRST_PORT = 19001

-- name, what a cell counts, the load's words
local MODES = {
  { "echo 20 B, depth 1", "msg", "echo -n 64 -s 20 -d 1" },
  { "echo 20 B, depth 16", "msg", "echo -n 64 -s 20 -d 16" },
  { "echo 1 KiB, depth 4", "msg", "echo -n 64 -s 1024 -d 4" },
  { "echo 64 KiB, depth 2", "msg", "echo -n 16 -s 65536 -d 2" },
  { "echo 1 MiB, depth 1", "msg", "echo -n 4 -s 1048576 -d 1" },
  { "fan-out 1 to 1000, 100 B", "msg",
    "fanout -n 1000 -s 100 -d 1 --path /feed --pub-path /publish" },
  { "fan-out, 16 in flight", "msg",
    "fanout -n 1000 -s 100 -d 16 --path /feed --pub-path /publish" },
  { "connect, 1 message, close", "conn", "churn -n 32 -s 20" },
  { "idle, bytes of a connection", "byte", "idle -n 5000 --hold 2" },
}

local USAGE = [[
usage: bench [options]
  --seconds N            length of each run (5)
  --runs N               runs of each cell, of which the median counts (3)
  --mode TEXT            only modes whose name holds TEXT; may be repeated
  --no-floors            leave the raw echoes out
  --peer NAME=COMMAND PORT   measure another server too; may be repeated
]]

local function fail(message)
  io.stderr:write("bench: ", message, "\n", USAGE)
  os.exit(2)
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
    elseif name == "--peer" then
      local label, command = take():match "^([^=]+)=(.+)$"
      local port = tonumber(take())
      if not (label and port) then fail "--peer needs NAME=COMMAND PORT" end
      table.insert(options.peers, { name = label, command = command, port = port })
    else
      fail("unknown option " .. name)
    end
    i = i + 1
  end
  return options
end

local function servers(options)
  local list = { {
    name = "neap", port = FIRST_PORT,
    command = "build/bin/neap bench/serve.lua -l http://127.0.0.1:" .. FIRST_PORT,
  } }
  if options.floors then
    for i, name in ipairs { "floor_epoll", "floor_uv" } do
      local port = FIRST_PORT + i
      list[#list + 1] =
        { name = name, port = port, raw = true, command = BUILD .. name .. " " .. port }
    end
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
  return mode[2] == "byte" and figures.rss_bytes_per_conn or figures.cpu_us_per
end

local function cell(mode, runs)
  if #runs == 0 then return "-" end
  table.sort(runs, function(a, b) return cost(mode, a) < cost(mode, b) end)
  local median = runs[(#runs + 1) // 2]
  if mode[2] == "byte" then return ("%.0f"):format(median.rss_bytes_per_conn) end
  return ("%s/s %.2f"):format(rate(median.msgs_s or median.conns_s), median.cpu_us_per)
end

local function is_wanted(mode, options)
  if #options.modes == 0 then return true end
  for _, text in ipairs(options.modes) do
    if mode[1]:find(text, 1, true) then return true end
  end
  return false
end

-- Each run has a fresh server, so that none profits from the one before.
local function run_mode(mode, list, options)
  local row = { mode[1] }
  for i, server in ipairs(list) do
    local runs = {}
    for _ = 1, options.runs do
      if start(server) then
        runs[#runs + 1] = measure(mode, server, options)
      else
        io.stderr:write("bench: ", server.name, " does not answer\n")
      end
      stop(server)
    end
    row[i + 1] = cell(mode, runs)
  end
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
  local rows = { { "per second, and server CPU in us for each" } }
  for i, server in ipairs(list) do rows[1][i + 1] = server.name end
  for _, mode in ipairs(MODES) do
    if is_wanted(mode, options) then
      rows[#rows + 1] = run_mode(mode, list, options)
    end
  end
  print()
  print_table(rows)
end

main()
