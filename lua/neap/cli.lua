--- The command: neap [run|check] SCRIPT [options] [-- ARGS].

local address = require "neap.address"
local log = require "neap.log"
local options = require "neap.options"
local site = require "neap.site"
local suggest = require "neap.suggest"

local cli = {}

local USAGE = [[
usage: neap [run] SCRIPT [options] [-- ARGS]
       neap check SCRIPT [options] [-- ARGS]
       neap connect URL [options]      a client for the terminal; --help

Runs the app that SCRIPT returns; check prints its pipeline instead, and what
is wrong or risky with it.

  -l, --listen URL     http://127.0.0.1:8080 (default), https://127.0.0.1:8443,
                       unix:/run/neap.sock or fd:3; port 0 picks one; may be
                       repeated
      --cert FILE      certificate of https, in PEM form, its chain behind it;
                       may be repeated, for other names
      --key FILE       its key, unless that is in the same file
      --client-ca FILE clients must show a certificate that these have signed
      --admin URL      a second listener for /livez, /readyz and /census, on a
                       loopback address or unix socket, unless --admin-any
  -w, --workers N|auto event-loop threads, each with a Lua state and the script
                       (1 by default)
      --drain SECONDS  deadline of a graceful stop
      --log FORMAT     text (default) or json
      --log-level L    error, warn, info (default) or debug
      --leaks MODE     report (default), error or off
      --set NAME=VALUE overrides an app option: --set timeouts.ping=5
      --version        print the version
      --help           print this text

ARGS are the script's `arg` and `...`.
]]

local LATER = { backplane = true }

local COMMANDS = { run = true, check = true }

local NAMES = {
  "listen", "admin", "admin-any", "drain", "log", "log-level", "leaks", "set", "version", "help",
  "workers", "cert", "key", "client-ca",
}

local SHORT = { l = "listen", w = "workers", h = "help" }

local FLAG = { version = true, help = true, ["admin-any"] = true }

local function later(what)
  return nil, what .. " is not available in this version"
end

local function one_of(name, ...)
  local known = { ... }
  return function(parsed, value)
    for _, choice in ipairs(known) do
      if value == choice then
        parsed[(name:gsub("-", "_"))] = value
        return true
      end
    end
    return nil, ("--%s takes %s, not %s"):format(name, table.concat(known, ", "), value)
  end
end

-- What each option does with its value; nil and a message when it is wrong.
local take = {
  log = one_of("log", "text", "json"),
  ["log-level"] = one_of("log-level", "error", "warn", "info", "debug"),
  leaks = one_of("leaks", "report", "error", "off"),
}

function take.listen(parsed, url)
  local ok, message = address.parse(url)
  if not ok then return nil, message end
  parsed.listen = parsed.listen or {}
  table.insert(parsed.listen, url)
  return true
end

function take.drain(parsed, value)
  local seconds = tonumber(value)
  if not seconds or not (seconds >= 0 and seconds < 2 ^ 31) then
    return nil, ("--drain takes a number of seconds, not %s"):format(value)
  end
  parsed.drain = seconds
  return true
end

function take.admin(parsed, url)
  local ok, message = address.parse(url)
  if not ok then return nil, message end
  parsed.admin = url
  return true
end

take["admin-any"] = function(parsed)
  parsed.admin_any = true
  return true
end

-- A key belongs to the certificate before it, or to the first.
function take.cert(parsed, file)
  parsed.certs = parsed.certs or {}
  local last = parsed.certs[#parsed.certs]
  if last and not last.cert then
    last.cert = file
  else
    table.insert(parsed.certs, { cert = file })
  end
  return true
end

function take.key(parsed, file)
  parsed.certs = parsed.certs or { {} }
  local last = parsed.certs[#parsed.certs]
  if last.key then return nil, "--key " .. file .. ": there is no --cert for it" end
  last.key = file
  return true
end

take["client-ca"] = function(parsed, file)
  parsed.client_ca = file
  return true
end

function take.set(parsed, value)
  if not value:find("=", 1, true) then return nil, "--set takes NAME=VALUE, not " .. value end
  table.insert(parsed.set, value)
  return true
end

function take.workers(parsed, value)
  local count, message = require("neap.worker").read_count(value)
  if not count then return nil, "--" .. message end
  parsed.workers = count
  return true
end

function take.version(parsed)
  parsed.action = parsed.action or "version"
  return true
end

function take.help(parsed)
  parsed.action = "help"
  return true
end

local function unknown(shown, name)
  local near = suggest.nearest(name, NAMES)
  local hint = near and ("; did you mean --%s?"):format(near) or ""
  return nil, ("unknown option %s%s"):format(shown, hint)
end

-- Splits "--set=a", "--set", "-l" and "-lURL" into a name and a joined value.
local function split_option(word)
  local name, value = word:match("^%-%-([^=]+)=(.*)$")
  if name then return name, value end
  name = word:match("^%-%-(.+)$")
  if name then return name end
  local letter, rest = word:match("^%-(.)=?(.*)$")
  return SHORT[letter] or letter, rest ~= "" and rest or nil
end

-- Handles the option at argv[i]; returns the index of the last word used.
local function read_option(parsed, argv, i)
  local word = argv[i]
  local name, value = split_option(word)
  local shown = word:match("^[^=]+")
  if LATER[name] then return later(shown) end
  if not take[name] then return unknown(shown, name) end
  if FLAG[name] and value then return nil, shown .. " takes no value" end
  if not FLAG[name] and not value then
    i, value = i + 1, argv[i + 1]
    if not value then return nil, shown .. " needs a value" end
  end
  local ok, message = take[name](parsed, value)
  return ok and i, message
end

local function read_word(parsed, argv, i)
  local word = argv[i]
  if not parsed.script and not parsed.command then
    if COMMANDS[word] then
      parsed.command = word
      return i
    end
  end
  if parsed.script then
    return nil, ("unexpected %s; arguments for the script go behind --"):format(word)
  end
  parsed.script = word
  return i
end

local function read_words(parsed, argv)
  local i = 1
  while i <= #argv do
    local word = argv[i]
    if word == "--" then
      table.move(argv, i + 1, #argv, 1, parsed.args)
      return true
    end
    local read = word:find("^%-.") and read_option or read_word
    local used, message = read(parsed, argv, i)
    if not used then return nil, message end
    i = used + 1
  end
  return true
end

--- Reads the command line.
---@param argv string[]
---@return table|nil parsed {script, args, listen, drain, log, log_level, leaks, set, action}
---@return string|nil message
function cli.parse(argv)
  local parsed = { args = {}, set = {} }
  local ok, message = read_words(parsed, argv)
  if not ok then return nil, message end
  if not parsed.script and not parsed.action then return nil, "which script?" end
  local first = parsed.certs and parsed.certs[1]
  if first and not first.cert then return nil, "--key needs --cert FILE beside it" end
  return parsed
end

--- Says in one line why the command fails; another worker tells it to the first.
---@param message string
function cli.say(message)
  io.stderr:write("neap: ", (message:gsub("%s*\n%s*", " ")), "\n")
end

local function fail(message)
  cli.say(message)
  return 1
end

local function read_set(assignments)
  local flats = {}
  for _, assignment in ipairs(assignments) do
    local flat, message = options.parse_assignment(assignment)
    if not flat then return nil, ("--set %s: %s"):format(assignment, message) end
    flats[#flats + 1] = flat
  end
  return options.merge(table.unpack(flats))
end

local function find_beside(script)
  local dir = script:match("^(.*/)") or "./"
  package.path = ("%s?.lua;%s?/init.lua;%s"):format(dir, dir, package.path)
end

local function last_line(path)
  local count = 0
  for _ in io.lines(path) do count = count + 1 end
  return math.max(count, 1)
end

local function set_arg(parsed)
  local args = table.move(parsed.args, 1, #parsed.args, 1, { [0] = parsed.script })
  rawset(_G, "arg", args)
end

local function with_place(script, err)
  local text = tostring(err)
  return text:find("^[^\n]-:%d+: ") and text or script .. ": " .. text
end

-- Runs the script; returns what it returned, or nil and one line.
local function load_script(parsed)
  local chunk, syntax = loadfile(parsed.script, "t")
  if not chunk then return nil, syntax end
  site.script = parsed.script
  set_arg(parsed)
  find_beside(parsed.script)
  local ok, result = xpcall(chunk, function(err)
    log.debug("the script failed", { trace = debug.traceback(nil, 2) })
    return with_place(parsed.script, err)
  end, table.unpack(parsed.args))
  if not ok then return nil, result end
  return true, result
end

-- What `neap check` does in place of running an app.
local function make_inspector(parsed)
  return function(app, urls)
    local status = require("neap.check").run(app, {
      script = parsed.script, listen = urls,
      write = function(...) io.stdout:write(...) end,
    })
    io.stdout:flush()
    return status
  end
end

local function run(parsed)
  local serve = require "neap.serve"
  local set, message = read_set(parsed.set)
  if not set then return fail(message) end
  serve.command = {
    listen = parsed.listen, admin = parsed.admin, admin_any = parsed.admin_any,
    drain = parsed.drain, leaks = parsed.leaks, set = set, certs = parsed.certs,
    client_ca = parsed.client_ca,
    workers = parsed.workers, argv = parsed.argv,
    inspect = parsed.command == "check" and make_inspector(parsed) or nil,
  }
  if parsed.workers and not serve.command.inspect then
    require("neap.worker").make(parsed.workers)
  end
  local ok, app = load_script(parsed)
  if not ok then return fail(app) end
  if serve.has_run then return serve.status end
  local apps = require "neap.app"
  if not apps.is_app(app) then
    return fail(("%s:%d: the script returns no app; end it with: return app")
      :format(parsed.script, last_line(parsed.script)))
  end
  local is_sound, status = pcall(app.run, app)
  return is_sound and status or fail(with_place(parsed.script, status))
end

--- Does what the command line says.
---@param argv string[]
---@return integer status for os.exit
function cli.main(argv)
  if argv[1] == "connect" then
    return (require("neap.terminal").main { table.unpack(argv, 2) })
  end
  local has_core, why = pcall(require, "neap.core")
  if not has_core then return fail((why:gsub("^neap: ", ""))) end
  local parsed, message = cli.parse(argv)
  if not parsed then
    cli.say(message .. " (neap --help)")
    return 2
  end
  if parsed.action == "help" then
    io.stdout:write(USAGE)
    return 0
  end
  if parsed.action == "version" then
    io.stdout:write("neap ", require("neap.core").version, "\n")
    return 0
  end
  parsed.argv = argv
  assert(log.configure { format = parsed.log, level = parsed.log_level })
  return run(parsed)
end

return cli
