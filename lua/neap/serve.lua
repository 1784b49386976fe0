--- Serving: listeners, signals and the lines that a supervisor reads.

local address = require "neap.address"
local admin = require "neap.admin"
local core = require "neap.core"
local drain = require "neap.drain"
local handed = require "neap.handed"
local leaks = require "neap.leaks"
local log = require "neap.log"
local notify = require "neap.notify"
local origin = require "neap.origin"
local scope = require "neap.scope"
local service = require "neap.service"
local site = require "neap.site"
local tls = require "neap.tls"
local wait = require "neap.wait"
local worker = require "neap.worker"

local serve = {}

local DEFAULT_URL = "http://127.0.0.1:8080"

--- What the command line says; it goes before what the script says.
serve.command = {}

--- Says in one line why nothing is served; another worker tells it to the first.
---@param message string
function serve.say(message)
  if worker.is_other() then return core.worker_failed(message) end
  io.stderr:write("neap: ", message, "\n")
end

-- Says whether a terminal's Ctrl-C reaches this process: only then is SIGINT
-- someone who waits for the prompt.
local function is_foreground()
  local file = io.open("/proc/self/stat", "r")
  if not file then return false end
  local fields = file:read("a"):match("^.*%) (.*)$")
  file:close()
  local group, terminal, foreground = fields:match("^%a %-?%d+ (%-?%d+) %-?%d+ (%-?%d+) (%-?%d+)")
  return terminal ~= "0" and group == foreground
end

local function hosts_for(app, parsed, host)
  if app.settled.hosts then return app.settled.hosts end
  local is_local = not parsed.path and origin.is_loopback(host)
  return is_local and origin.LOOPBACK_HOSTS or nil
end

-- A busy port shows before a slow start; whoever comes meanwhile waits in the
-- kernel's queue.
---@param app table
---@param url string
---@param given table|nil the certificates of an https:// listener
---@param socket table|nil what worker 1 has opened, or how others will share it
---@return userdata|nil listener
---@return string|nil message
---@return string|nil code
local function open(app, url, given, socket)
  local parsed, message = address.parse(url)
  if not parsed then return nil, message, "io" end
  if parsed.is_secure then
    parsed.tls, message = tls.for_server(given, url)
    if not parsed.tls then return nil, message, "tls" end
  end
  local on_request
  worker.use(socket, parsed)
  local is_there, missing = handed.resolve(parsed)
  if not is_there then return nil, ("cannot listen on %s: %s"):format(url, missing), "io" end
  parsed.settings = app.settings
  parsed.on_request = function(req) return on_request(req) end
  local listener, failure, code = core.listen(parsed)
  if parsed.tls then parsed.tls:close() end
  if not listener then
    return nil, ("cannot listen on %s: %s"):format(url, failure), code
  end
  listener:hold()
  local host
  host, failure, code = listener:address()
  if not host then
    listener:close()
    return nil, ("cannot listen on %s: %s"):format(url, failure), code
  end
  worker.note(listener, parsed)
  local doors
  on_request, doors = app.make_handler(hosts_for(app, parsed, host))
  listener:set_doors(doors)
  table.insert(app.listeners, listener)
  if parsed.is_secure then app.secured[listener] = { given = given, url = url } end
  return listener
end

local function accept_on_all(app)
  for _, listener in ipairs(app.listeners) do listener:accept() end
end

--- Opens one listener of a compiled app, and accepts on it once its services are
--- started: that waits. In the main chunk, where nothing can, app:run does it.
---@param app table
---@param url string
---@param given table|nil the certificates of an https:// listener
---@return userdata|nil listener
---@return string|nil message
---@return string|nil code
function serve.listen(app, url, given)
  if worker.count > 1 then
    site.fail("app:listen serves one worker alone; give app:run, or neap -l, what to listen on")
  end
  local listener, message, code = open(app, url, given)
  if not listener then return nil, message, code end
  local can_start = wait.is_possible() or not service.has_any(app)
  if not app.is_up and not app.is_starting and can_start then
    local ok
    ok, message, code = service.start_all(app)
    if not ok then
      listener:close()
      return nil, message, code
    end
  end
  if app.is_up then accept_on_all(app) end
  return listener
end

local function urls_of(how)
  local listen = serve.command.listen or how.listen or DEFAULT_URL
  return type(listen) == "table" and listen or { listen }
end

local function announce(listener, what, is_secure)
  local host, port = listener:address()
  local url = address.format(host, port, is_secure)
  io.stdout:write("neap: ", what, " on ", url, "\n")
  io.stdout:flush()
  return url
end

local function complain(app, message)
  serve.say(("%s: %s"):format(app.where or "?", message))
end

local function listen_on_all(app, urls, given)
  for i, url in ipairs(urls) do
    local listener, message = open(app, url, given, worker.socket(i))
    if not listener then
      complain(app, message)
      return false
    end
  end
  if serve.command.certs and not next(app.secured) then
    complain(app, "--cert is for https: add --listen https://127.0.0.1:8443")
    return false
  end
  return true
end

-- What the command says of certificates goes before what the script says.
local function certificates_of(how)
  local command = serve.command
  return {
    certs = command.certs or how.certs, cert = not command.certs and how.cert or nil,
    key = not command.certs and how.key or nil, passphrase = how.passphrase,
    client_ca = command.client_ca or how.client_ca,
  }
end

-- Returns the listener, or nil where none is wanted; false when it failed.
local function open_admin(app, url)
  if not url then return nil, true end
  local listener, message = admin.listen(app, url, serve.command.admin_any)
  if not listener then complain(app, message) end
  return listener, listener ~= nil
end

local function on_signal(app, seconds)
  return function(name) -- a second one ends the process in the core
    if name == "hup" then
      notify.reloading()
      worker.tell_others "reload"
      tls.reload(app)
      notify.ready(app.status)
      return
    end
    local is_typed = name == "int" and is_foreground()
    log.debug("stopping", { signal = name })
    drain.start(app, is_typed and app.settled["timeouts.close"] or seconds)
  end
end

local function print_receipt(receipt)
  io.stdout:write(("neap: drained closed=%d forced=%d cancelled=%d leaked=%d took=%.3f\n"):format(
    receipt.closed, receipt.forced, receipt.cancelled, receipt.leaked, receipt.took))
  io.stdout:flush()
end

local function exit_status(leaked)
  return leaks.mode == "error" and leaked > 0 and 3 or 0
end

local function give_up(app)
  for _, listener in ipairs(app.listeners) do listener:close() end
  app.scope:close()
  return 1
end

-- Services first, then the other workers; then the world may come.
local function begin(app, own)
  local ok, message, code = service.start_all(app)
  if ok then ok, message, code = worker.start(app.listeners, serve.command.argv) end
  if ok then
    accept_on_all(app)
    local urls = {}
    for i, listener in ipairs(app.listeners) do
      urls[i] = announce(listener, "listening", app.secured[listener])
    end
    if own then announce(own, "admin") end
    app.status = "listening on " .. table.concat(urls, ", ")
    notify.ready(app.status)
  elseif code ~= "draining" then
    serve.say(message)
    app.has_failed = true
    worker.give_up()
    give_up(app)
    core.stop()
  end
end

--- Does to an app what the command wants done in place of running it.
---@param app table
---@param how table {listen}
---@return integer status
function serve.inspect(app, how)
  serve.has_run = true
  serve.status = serve.command.inspect(app, urls_of(how))
  return serve.status
end

-- Turns the loop until the app is drained; returns how that went, or nil.
local function turn(app, begin_with, own)
  core.pace()
  core.watch_signals(true, app.settled["timeouts.cancel"], app.settled["timeouts.turn"])
  app.is_starting = true
  scope.house:spawn(begin_with, app, own)
  notify.watch(app)
  core.run()
  notify.close()
  if own then own:close() end
  core.watch_signals(false)
  if app.has_failed then return nil end
  local receipt = app.receipt or { closed = 0, forced = 0, cancelled = 0, took = 0 }
  receipt.leaked = leaks.count()
  return receipt
end

-- What another worker does before it accepts.
local function join_in(app)
  local ok, message, code = service.start_all(app)
  if ok then
    accept_on_all(app)
    if not core.worker_ready() then drain.begin(app, 0) end
  elseif code ~= "draining" then
    serve.say(message)
    app.has_failed = true
    give_up(app)
    core.stop()
  end
end

-- Another worker listens where the first does, and has no word on stdout.
local function work(app, how)
  worker.has_served = true
  if not listen_on_all(app, urls_of(how), certificates_of(how)) then return give_up(app) end
  worker.on("drain", function(_, seconds) drain.begin(app, tonumber(seconds)) end)
  worker.on("reload", function() tls.reload(app) end)
  local receipt = turn(app, join_in)
  if not receipt then return 1 end
  worker.report(receipt)
  return 0
end

-- What the others ask of worker 1.
local function listen_to_workers(app, seconds)
  worker.on("drain", function(_, asked) drain.start(app, tonumber(asked) or seconds) end)
  worker.on("exit", function(_, status)
    serve.asked_status = serve.asked_status or tonumber(status)
    drain.start(app, seconds)
  end)
  worker.on_lost = function(index, message)
    log.error(("worker %d has ended: the process stops"):format(index), { trace = message })
    serve.asked_status = 1
    drain.start(app, seconds)
  end
end

-- How many workers there are to be; nil and one line when that can't be.
local function read_workers(app, how)
  local count, message = worker.read_count(serve.command.workers or how.workers or 1)
  if not count then return nil, message end
  if count > 1 and #app.listeners > 0 then
    return nil, "app:listen serves one worker alone; give app:run what to listen on"
  end
  worker.make(count)
  return count
end

-- A worker that does not end closes nothing any more: its connections are dropped
-- with the process, and what else lives there is leaked.
local function add_lost(receipt)
  local conns, others = leaks.count_elsewhere()
  receipt.forced, receipt.leaked = receipt.forced + conns, receipt.leaked + others
end

local function conclude(app, receipt)
  worker.add_receipts(receipt)
  if app.has_lost_workers then add_lost(receipt) else core.join_workers() end
  print_receipt(receipt)
  local status = exit_status(receipt.leaked)
  if status ~= 0 then return status end
  local asked = serve.asked_status or 0
  return asked == 0 and app.has_lost_workers and 1 or asked
end

-- Opens what the app listens on, and the admin listener, if there is one.
local function open_all(app, how)
  local count, wrong = read_workers(app, how)
  if not count then
    complain(app, wrong)
    return false
  end
  local own, opened = open_admin(app, serve.command.admin or how.admin)
  if opened and listen_on_all(app, urls_of(how), certificates_of(how)) then return true, own end
  if own then own:close() end
  return false
end

local function lead(app, how)
  notify.open()
  local opened, own = open_all(app, how)
  if not opened then return give_up(app) end
  local seconds = serve.command.drain or how.drain or app.settled["timeouts.drain"]
  core.hook("signal", on_signal(app, seconds))
  listen_to_workers(app, seconds)
  local receipt = turn(app, begin, own)
  return receipt and conclude(app, receipt) or 1
end

--- Serves until something drains the app.
---@param app table
---@param how table {listen, drain, admin, workers}
---@return integer status
function serve.run(app, how)
  site.expect(how.drain, "number or nil", "drain")
  serve.has_run = true
  leaks.configure(serve.command.leaks)
  local run = worker.is_other() and work or lead
  serve.status = run(app, how)
  return serve.status
end

return serve
