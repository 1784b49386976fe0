--- One run of neap connect: a client, a screen, and what is typed.

local arguments = require "neap.terminal.arguments"
local clients = require "neap.client"
local core = require "neap.core"
local editor = require "neap.terminal.editor"
local histories = require "neap.terminal.history"
local input = require "neap.terminal.input"
local pretty = require "neap.terminal.pretty"
local scope = require "neap.scope"
local task = require "neap.task"

local session = {}

local methods = {}
local mt = { __name = "neap.session", __index = methods }

local WAIT = 1 -- seconds

-- ---- what happens

local function milliseconds(seconds)
  return ("%.1f ms"):format(seconds * 1000)
end

local function describe_close(why)
  local parts = { ("closed: %d"):format(why.code) }
  if why.reason and why.reason ~= "" then parts[#parts + 1] = pretty.harmless(why.reason) end
  parts[#parts + 1] = ("(%s by %s%s, after %.1f s)"):format(why.cause,
    why.by == "local" and "us" or why.by, why.clean and "" or ", not clean", why.age or 0)
  return table.concat(parts, " ")
end

local function on_up(self, conn)
  local took = milliseconds(core.now() - self.began)
  local parts = { ("connected to %s in %s"):format(self.url, took) }
  if conn.protocol then parts[#parts + 1] = "protocol " .. conn.protocol end
  if self.parsed.rtt then
    local seconds, message = conn:ping()
    parts[#parts + 1] = "round trip " .. (seconds and milliseconds(seconds) or message)
  end
  self.screen:news(table.concat(parts, ", "))
end

local function on_down(self, why)
  self.screen:news(describe_close(why))
  if #why.unconfirmed > 0 then
    self.screen:error(("messages that may not have arrived: %d"):format(#why.unconfirmed))
  end
  self.began = core.now()
end

local function on_retry(self, why)
  if why.message then self.screen:error(pretty.harmless(why.message)) end
  self.screen:news(("coming back in %.1f s"):format(why.seconds))
end

local function on_end(self, why)
  if why.message then self.screen:error(pretty.harmless(why.message)) end
  if #why.unsent > 0 then
    self.screen:error(("messages that were never sent: %d"):format(#why.unsent))
  end
end

-- ---- what arrives

local function show(self, data, kind)
  local screen = self.screen
  if not screen.is_terminal then return kind == "text" and data .. "\n" or data end
  local text = kind == "binary" and pretty.bytes(data) or data
  if self.parsed.json then text = pretty.json(text) end
  local stamp = self.parsed.timestamps and os.date "%H:%M:%S " or ""
  return ("%s%s%s\n"):format(stamp, screen.editor and "< " or "", pretty.harmless(text))
end

local function show_piped(self, data, kind)
  local stamp = self.parsed.timestamps and os.date "%Y-%m-%dT%H:%M:%S " or ""
  if kind == "text" and self.parsed.json then data = pretty.json(data) end
  return stamp .. show(self, data, kind)
end

local function print_messages(self)
  for data, kind in self.client:messages() do
    self.heard_at = core.now()
    local form = self.screen.is_terminal and show or show_piped
    self.screen:message(form(self, data, kind))
  end
end

local function ping_for_ever(self)
  while true do
    task.sleep(self.parsed.ping)
    if self.client.state == "open" then self:ping() end
  end
end

-- ---- what is typed

--- Pings, and prints how long it took.
function methods:ping()
  local seconds, message = self.client:ping()
  self.screen:news(seconds and "round trip " .. milliseconds(seconds) or "no pong: " .. message)
end

local commands = {}

function commands.ping(self) scope.current():spawn(self.ping, self) end
function commands.quit(self) self.client:close(1000) end

function commands.close(self, rest)
  local code, reason = rest:match "^(%d*)%s*(.*)$"
  code = code == "" and 1000 or math.tointeger(code)
  local ok = pcall(self.client.close, self.client, code, reason ~= "" and reason or nil)
  if not ok then self.screen:error "/close takes a code from 1000 to 4999, and a reason" end
end

function commands.help(self)
  self.screen:error "/ping  /close [CODE [REASON]]  /quit  //text sends /text"
end

local function send(self, line)
  local kind = self.parsed.binary and "binary" or "text"
  local sent, message = self.client:send_wait(line, kind)
  if not sent then self.screen:error("not sent: " .. message) end
  return sent
end

local function take_line(self, line)
  if line == "" then return self.screen:draw() end
  self.screen:keep(line)
  local name, rest = line:match "^/(%a+)%s*(.*)$"
  if not name then return send(self, (line:gsub("^//", "/"))) end
  local command = commands[name]
  if command then return command(self, rest) end
  self.screen:error(("no command /%s; /help lists them"):format(name))
end

--- The first ^C closes in good order, the second at once.
function methods:interrupt()
  if self.is_interrupted then return self.client:terminate() end
  self.is_interrupted = true
  self.screen:news "closing; once more to stop waiting"
  self.client:close(1000)
end

local handle = { line = take_line, interrupt = methods.interrupt }

function handle.eof(self) self.client:close(1000) end
function handle.suspend(self) self.screen:suspend() end

local function edit_lines(self, read)
  local history = histories.open()
  local line = editor.new(history, "> ")
  self.screen:begin_editing(line)
  for bytes in read do
    local events = line:feed(bytes)
    for _, event in ipairs(events) do handle[event[1]](self, event[2]) end
    self.screen:draw()
    history:save()
  end
  self.client:close(1000)
end

-- ---- what comes from a pipe

local function is_quiet(self, seconds)
  local since = math.max(self.heard_at, self.ended_at)
  return self.client:pending() == 0 and core.now() - since >= seconds
end

-- The answers to what was sent last may still be on their way.
local function send_lines(self, read)
  input.each_line(read, function(line) return send(self, line) ~= nil end)
  self.ended_at = core.now()
  if not self.client:wait_open() then return end
  self.ended_at = core.now()
  while not is_quiet(self, self.parsed.wait or WAIT) do task.sleep(0.02) end
  self.client:close(1000)
end

-- ----

local function make_client(self)
  local options = arguments.options(self.parsed)
  self.url, self.began = options.url, core.now()
  for name, handler in pairs { on_up = on_up, on_down = on_down, on_retry = on_retry,
    on_end = on_end } do
    options[name] = function(...) return handler(self, ...) end
  end
  return (clients.new(options))
end

local GOOD = { [1000] = true, [1001] = true, [1005] = true }
local LOST = {
  eof = true, reset = true, no_pong = true, write_timeout = true, killed = true,
}

local function exit_status(self, why)
  if self.is_interrupted then return why.clean and 0 or 130 end
  if not why.code then return why.cause == "closed" and 0 or 1 end
  if LOST[why.cause] then return 4 end
  return (GOOD[why.code] or why.by == "local" and why.clean) and 0 or 3
end

--- Runs until the connection has ended; waits.
---@param parsed table what arguments.parse returned
---@param screen table
---@return integer status for the shell
function session.run(parsed, screen)
  local self = setmetatable({ parsed = parsed, screen = screen, heard_at = 0, ended_at = 0 }, mt)
  local own <close> = scope.new { label = "terminal" }
  self.client = make_client(self)
  core.hook("signal", function() self.client:close(1000) end)
  local read, source = input.open()
  if source then own:own(source) end
  own:spawn(print_messages, self)
  own:spawn(screen.has_keyboard and edit_lines or send_lines, self, read)
  if parsed.ping then own:spawn(ping_for_ever, self) end
  local why = self.client:wait_closed()
  task.sleep(0) -- what is to be said of it is said
  return exit_status(self, why)
end

return session
