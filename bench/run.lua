-- Runs every mode against every server, one at a time: the server on core 0,
-- the load on core 1. Prints a line of JSON per run, then a table.
-- script/bench builds what it needs and starts it; README.md explains.

local json = require "dkjson"
local socket = require "socket"

local modes = dofile "bench/modes.lua"
local report = dofile "bench/report.lua"
local servers = dofile "bench/servers.lua"

local APART = { server = "0", load = "1" }
local SHARED = { server = "0,1", load = "0,1" }

local USAGE = [[
usage: bench [options]
  --seconds N            length of each run (5)
  --runs N               runs of each cell, of which the median counts (3)
  --mode TEXT            only modes whose name holds TEXT; may be repeated
  --no-floors            leave the raw echoes out
  --peer NAME[:KIND]=COMMAND PORT   measure another server too; may be repeated.
                         KIND: tls or deflate, for the modes that need it
  --packaged             the peers that Debian's packages give, as far as they
                         are installed
  --workers N            instead: neap with N workers beside neap with one, all
                         of them and the load on the same two cores, five runs
]]

local function fail(message)
  io.stderr:write("bench: ", message, "\n", USAGE)
  os.exit(2)
end

local function add_peer(options, definition, port)
  local label, command = definition:match "^([^=]+)=(.+)$"
  if not (label and tonumber(port)) then fail "--peer needs NAME=COMMAND PORT" end
  local name, kind = label:match "^([^:]+):(%w+)$"
  servers.add_peer(options.peers, name or label, kind or "plain", command, tonumber(port))
end

local function add_packaged(options)
  local missing = servers.add_packaged(options.peers)
  if #missing == 0 then return end
  io.stderr:write("bench: not measured, since not here: ", table.concat(missing, ", "), "\n")
end

-- What each option does, given itself and a function that takes its next word.
local OPTIONS = {}

local function take_number(options, name, take)
  options[name:sub(3)] = tonumber(take()) or fail(name .. " needs a number")
end
OPTIONS["--seconds"], OPTIONS["--runs"], OPTIONS["--workers"] =
  take_number, take_number, take_number

OPTIONS["--mode"] = function(options, _, take) table.insert(options.modes, take()) end
OPTIONS["--no-floors"] = function(options) options.floors = {} end
OPTIONS["--packaged"] = add_packaged
OPTIONS["--peer"] = function(options, _, take) add_peer(options, take(), take()) end

local function parse(args)
  local options = { seconds = 5, modes = {}, peers = {}, floors = servers.floors() }
  local i = 1
  local function take()
    i = i + 1
    return args[i - 1] or fail(args[i - 2] .. " needs a value")
  end
  while args[i] do
    local name = take()
    local act = OPTIONS[name] or fail("unknown option " .. name)
    act(options, name, take)
  end
  if options.workers and (options.workers < 2 or #options.peers > 0) then
    fail "--workers compares 2 or more of neap with one, and nothing else"
  end
  options.runs = options.runs or (options.workers and 5 or 3)
  options.cores = options.workers and SHARED or APART
  options.by = options.workers and "rate" or "cost"
  return options
end

local function list_servers(options)
  if options.workers then return servers.workers(options.workers, #options.floors > 0) end
  local list = { servers.neap() }
  for _, more in ipairs { options.floors, options.peers } do
    table.move(more, 1, #more, #list + 1, list)
  end
  return list
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
local function start(server, cores)
  local pipe = assert(io.popen(("echo $$; exec setpriv --pdeathsig KILL -- taskset -c %s %s")
    :format(cores.server, server.command), "r"))
  server.pipe, server.pid = pipe, pipe:read "n"
  return is_up(server.port)
end

local function stop(server)
  os.execute(("kill -TERM %d 2>/dev/null"):format(server.pid))
  server.pipe:close()
end

local function load_command(mode, server, options)
  local words = mode[3]
  if server.raw then words = words:gsub("^echo", "raw") end
  return ("taskset -c %s %swsload %s --port %d --pid %d --label '%s' -t %g"):format(
    options.cores.load, servers.BUILD, words, server.port, server.pid, server.name,
    options.seconds)
end

-- What a server fails has no figures.
local function measure(mode, server, options)
  local pipe <close> = assert(io.popen(load_command(mode, server, options)))
  local line = pipe:read "a"
  io.write(line)
  local figures = json.decode(line)
  if not figures or figures.errors + figures.bad > 0 then return nil end
  return figures
end

local function run_once(mode, server, options, runs)
  if start(server, options.cores) then
    runs[#runs + 1] = measure(mode, server, options)
  else
    io.stderr:write("bench: ", server.name, " does not answer\n")
  end
  stop(server)
end

-- The server for a mode; nil where it can't speak what the mode does.
local function server_for(mode, server, is_first)
  local of_kind = server.kinds[mode.kind or "plain"]
  if mode.own and not is_first then return nil end
  if of_kind and of_kind.raw and not mode[3]:find "^echo" then return nil end
  return of_kind
end

-- Each run has a fresh server, so that none profits from the one before; the
-- servers take turns, so that all meet the machine in the same moods.
local function run_mode(mode, list, options)
  local row, runs = { mode[1] }, {}
  for _ = 1, options.runs do
    for i, server in ipairs(list) do
      runs[i] = runs[i] or {}
      local chosen = server_for(mode, server, i == 1)
      if chosen then run_once(mode, chosen, options, runs[i]) end
    end
  end
  for i, server in ipairs(list) do
    row[i + 1] = report.cell(mode, runs[i], runs[server.base or 1], options.by)
  end
  return row
end

local function is_wanted(mode, options)
  if options.workers and not mode.workers then return false end
  if #options.modes == 0 then return true end
  for _, text in ipairs(options.modes) do
    if mode[1]:find(text, 1, true) then return true end
  end
  return false
end

local function heading(list, options)
  local ratio = options.workers and "of one worker's rate" or "its ratio to neap's"
  local row = { ("per second, server CPU in us for each (%s)"):format(ratio) }
  for i, server in ipairs(list) do row[i + 1] = server.name end
  return row
end

local function main()
  local options = parse(arg)
  local list = list_servers(options)
  local rows = { heading(list, options) }
  for _, mode in ipairs(modes) do
    if is_wanted(mode, options) then
      rows[#rows + 1] = run_mode(mode, list, options)
    end
  end
  if #rows == 1 then fail "--mode leaves nothing to measure: bench/modes.lua has the names" end
  print()
  report.print(rows)
end

main()
