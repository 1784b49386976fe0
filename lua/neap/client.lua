--- neap.client: one connection, kept up until its scope ends.
--
-- It is resolving, connecting, tls, upgrade, open, in backoff, or closed, and in
-- each state holds what that state needs and nothing else: a task while it
-- connects, the connection while that is up, a timer in between. So one that
-- the script drops, with no scope to hold it, is ordinary garbage.

local again = require "neap.again"
local comeback = require "neap.comeback"
local client_options = require "neap.client_options"
local connect = require "neap.connect"
local core = require "neap.core"
local entry = require "neap.entry"
local job = require "neap.job"
local leaks = require "neap.leaks"
local log = require "neap.log"
local scope = require "neap.scope"
local site = require "neap.site"
local wait = require "neap.wait"

local client = {}

local methods = {}
local getters = {}
local mt = { __name = "neap.client" }

function mt.__index(self, name)
  if methods[name] then return methods[name] end
  return getters[name] and getters[name](self)
end

local CLOSED = "the client is closed"

-- ---- what the script hears

-- In a task of the client's scope; of the house when that has ended.
local function call(self, name, ...)
  local handler = self.given[name]
  if not handler then return false end
  local own = self.owner
  job.run(own and own.state == "open" and own or scope.house, entry.attempt, handler, ...)
  return true
end

local function warn_of_loss(self, count, text)
  if count == 0 then return end
  log.warn(("messages %s: %d"):format(text, count), { client = self.shown })
end

-- ---- the end

-- Those that are not. Whatever is under way may be interrupted when memory runs
-- out, so they are looked at meanwhile: see look_at.
local alive = setmetatable({}, { __mode = "k" })

-- Of several ends the first is told. Where one is interrupted for want of memory
-- it is gone through again, so each step can be taken twice.
local function finish(self, why)
  if self.is_finished then return end
  core.look_soon()
  why = self.why or why
  self.phase, self.why = "closed", why
  why.unsent = why.unsent or self.delivery:take_all()
  if self.entry then entry.unlink(self.entry) end
  self.token:close()
  if not self.is_end_told then
    self.is_end_told = call(self, "on_end", why)
      or warn_of_loss(self, #why.unsent, "that were never sent") or true
  end
  self.places.up:wake_all(nil, CLOSED, "closed")
  self.places.down:wake_all(why)
  self.is_finished = true
  alive[self] = nil
end

local begin -- further down: the states form a ring

-- Stays away for a while, or for good when there is no hint.
local function retry(self, hint, why)
  if self.is_ending or not hint or not self.comeback then return finish(self, why) end
  local seconds = self.comeback:next(hint)
  self.phase, why.seconds = "backoff", seconds
  if self.timer then self.timer:close() end
  self.timer = core.timer(function() begin(self) end)
  assert(self.timer:start(seconds))
  self.is_away = true
  if call(self, "on_retry", why) then return end
  log.info(("a client is down (%s), and comes back in %.1f s"):format(why.message or why.cause,
    seconds), { client = self.shown })
end

-- ---- up

-- Connections of clients that are up. They know their client weakly: what
-- nobody else holds is dropped, and then ends its connection.
local up = {}
client.up = up

-- As with the end, each step can be taken twice.
local function went_down(self, why)
  self.conn, self.ready = nil, nil
  if self.comeback then self.comeback:was_up(core.now() - self.up_since) end
  if not why.unconfirmed then self.delivery:went_down(why) end
  if not self.is_down_told then
    self.is_down_told = call(self, "on_down", why)
      or warn_of_loss(self, #why.unconfirmed, "that may not have arrived") or true
  end
  retry(self, comeback.judge_close(why), why)
  self.lost = false
end

local function read_all(conn, handler)
  for data, kind in conn:messages() do entry.attempt(handler, data, kind) end
end

-- Ahead of what waits in the outbox, on_up may send what restores the session.
local function run_on_up(self, conn)
  local handler = self.given.on_up
  local ok, err = true, nil
  if handler then ok, err = xpcall(handler, debug.traceback, conn, self) end
  if self.conn ~= conn or conn.state ~= "open" then return end
  if not ok then
    log.error("error in on_up: " .. tostring(err):match "^[^\n]*", { trace = err })
    return core.close_as(conn, "error", 1011, "on_up failed")
  end
  self.delivery:went_up(conn)
  if self.given.on_message then conn:spawn(read_all, conn, self.given.on_message) end
  self.places.up:wake_all(conn)
  self.ready, self.rising = conn, nil
end

local function rise(self, conn)
  local box = setmetatable({ self }, { __mode = "v" })
  self.is_down_told, self.up_since = false, core.now()
  up[conn] = true
  conn:defer(function(why)
    up[conn] = nil
    local own = box[1]
    if not own or own.conn ~= conn then return end
    own.lost = why -- takes no memory: from here on it will go down
    core.look_soon()
    went_down(own, why)
  end)
  self.conn, self.phase = conn, "open"
  self.rising = conn:spawn(run_on_up, self, conn)
end

local function come_up(self, conn)
  local ok, err = pcall(rise, self, conn)
  if ok then return end
  conn:terminate()
  error(err, 0)
end

-- ---- connecting

local function failure(message, code, answer)
  return {
    cause = code, message = message,
    status = answer and (answer.status or answer.proxy_status),
  }
end

-- What is needed to connect: it knows the client weakly, so that one which is
-- dropped meanwhile is not held.
local function task_of(self)
  local box = setmetatable({ self }, { __mode = "v" })
  return {
    box = box, parsed = self.parsed, url = self.given.url, plan = self.plan, dial = self.dial,
    gate = self.given.gate,
    on_state = function(state)
      if box[1] and box[1].phase ~= "closed" then box[1].phase = state end
    end,
  }
end

local function attempt(work)
  local parsed, message = work.parsed, nil
  if not parsed then parsed, message = connect.parse(work.url()) end
  if not parsed then return nil, message, "refused" end
  if work.box[1] then work.box[1].shown = parsed.shown end
  return work.dial(parsed, work.plan, work.on_state)
end

-- What the script gives as url and headers may be functions, which may fail.
local function attempt_safely(work)
  if work.gate then work.on_state "waiting" end
  local _ <close> = work.gate and work.gate:enter() or nil
  local ok, conn, message, code, answer = xpcall(attempt, debug.traceback, work)
  if ok then return conn, message, code, answer end
  message = tostring(conn):match "^[^\n]*"
  log.error("error in a client's url or headers: " .. message, { trace = conn })
  return nil, message, "io"
end

local function try(work)
  local conn, message, code, answer = attempt_safely(work)
  local self = work.box[1]
  if self then self.task = nil end
  if not self or self.is_ending then
    if conn then conn:terminate() end
  elseif conn then
    come_up(self, conn)
  else
    local hint = comeback.judge_answer(answer, self.can_change, core.wall())
    retry(self, hint, failure(message, code, answer))
  end
end

function begin(self)
  core.look_soon()
  self.timer, self.is_away, self.lost = nil, false, false
  self.phase = "resolving"
  self.task = job.run_in_house(try, task_of(self))
end

-- ---- when memory runs out

local function is_under_way(task)
  return task and task.scope and true or false
end

-- Takes up what was interrupted; returns whether to look again.
local function look_at(self)
  if self.is_finished then return false end
  if self.phase == "closed" or self.is_ending and not self.conn then
    finish(self, { cause = "closed" })
  elseif self.lost then
    went_down(self, self.lost)
  elseif self.conn then
    if self.ready then return false end
    if not is_under_way(self.rising) then self.conn:terminate() end
  elseif not is_under_way(self.task) then
    if self.is_away then return false end
    begin(self)
  end
  return true
end

again.watch(function()
  local more = false
  for self in pairs(alive) do more = look_at(self) or more end
  return more
end)

-- ---- making

local function end_with_scope(self)
  local own = self.client
  own:close(1001)
  if wait.is_possible() then own:wait_closed(scope.house.cancel_timeout * 0.8) end
  own:terminate()
  if wait.is_possible() then own:wait_closed(0.1) end
end

--- Makes a client, which begins to connect at once. Made within a task, it ends
--- with the task's scope; else it belongs to the script.
---@param given table url, reconnect, outbox, overflow, resend, confirm, scope, the handlers, and
--- the options of neap.connect
---@return table client
function client.new(given)
  site.expect(given, "table", "neap.client's options")
  local self = client_options.read(given)
  self.phase, self.began = "resolving", core.now()
  self.places = { up = wait.place(), down = wait.place() }
  self.token = core.token "client"
  self.lost, self.is_away, self.is_ending = false, false, false
  setmetatable(self, mt)
  local owner = self.owner
  if owner and owner.state ~= "open" then
    finish(self, { cause = "cancelled" })
    return self
  end
  if owner then
    self.entry = entry.link(owner,
      { kind = "client", client = self, finish = end_with_scope, waits = true })
  end
  local ok, err = pcall(begin, self)
  if not ok then
    self.phase = "closed"
    if self.entry then entry.unlink(self.entry) end
    self.token:close()
    error(err, 0)
  end
  alive[self] = true
  return self
end

-- ---- methods

--- resolving, connecting, tls, upgrade, open, closing, backoff or closed.
function getters.state(self)
  return self.phase == "open" and self.is_ending and "closing" or self.phase
end

--- Sends now, or as soon as there is a connection; never waits.
---@param data string
---@param kind "text"|"binary"|nil
---@return true|nil sent, or nil, message, code
---@return string|nil message "queued" when it waits
---@return string|nil code
function methods:send(data, kind)
  site.expect(data, "string", "client:send's message")
  if self.is_ending or self.state == "closed" then return nil, CLOSED, "closed" end
  local sent, message, code = self.delivery:send(data, kind or "text")
  if code == "overflow" and self.given.overflow == "close" then
    self:close(1013, "the outbox is full")
  end
  return sent, message, code
end

--- Sends, and waits for room in the outbox where there is none.
---@param data string
---@param kind "text"|"binary"|nil
---@param seconds number|nil how long to wait at most
---@return true|nil sent, or nil, message, code
function methods:send_wait(data, kind, seconds)
  wait.check_limit(seconds, "client:send_wait's time")
  local deadline = seconds and core.now() + seconds
  while true do
    local sent, message, code = self:send(data, kind)
    if sent or code ~= "overflow" then return sent, message, code end
    local left = deadline and math.max(0, deadline - core.now())
    local woken
    woken, message, code = self.delivery.room:wait(left)
    if not woken then return nil, message, code end
  end
end

--- Waits until it is open, and on_up has run.
---@param seconds number|nil
---@return userdata|nil conn, or nil, message, code
function methods:wait_open(seconds)
  wait.check_limit(seconds, "client:wait_open's time")
  if self.ready then return self.ready end
  if self.state == "closed" then return wait.fail(CLOSED, "closed") end
  local conn, message, code = self.places.up:wait(seconds)
  return conn, message, code
end

--- Waits until it is closed for good.
---@param seconds number|nil
---@return table|nil why, or nil, message, code
function methods:wait_closed(seconds)
  wait.check_limit(seconds, "client:wait_closed's time")
  if self.why then return self.why end
  local why, message, code = self.places.down:wait(seconds)
  return why, message, code
end

--- Takes the next message, from whichever connection is up by then.
---@param seconds number|nil
---@return string|nil data, or nil, message, code
---@return string|nil kind
---@return string|nil code
function methods:receive(seconds)
  local deadline = seconds and core.now() + seconds
  while true do
    local left = deadline and math.max(0, deadline - core.now())
    local conn, message, code = self.reading, nil, nil
    if not conn then conn, message, code = self:wait_open(left) end
    if not conn then return nil, message, code end
    self.reading = conn
    local data, kind
    data, kind, code = conn:receive(left)
    if data or code ~= "closed" then return data, kind, code end
    if self.reading == conn then self.reading = nil end
    if self.ready == conn then self.ready = nil end -- it is about to go down
  end
end

local function next_message(self)
  local data, kind = self:receive()
  return data, kind
end

--- for data, kind in client:messages() do ... end, until it is closed.
function methods:messages()
  return next_message, self
end

--- Pings the server, and waits for its pong.
---@return number|nil seconds, or nil, message, code
function methods:ping()
  local conn = self.ready
  if not conn then return wait.fail("the client is not open", "closed") end
  local seconds, message, code = conn:ping()
  return seconds, message, code
end

--- How many messages wait to be sent, and how many may not have arrived yet.
---@return integer waiting
---@return integer unconfirmed
function methods:pending()
  return self.delivery:counts()
end

-- What connects is stopped; a timer is closed; a connection ends in its own time.
local function stop(self)
  core.look_soon()
  if self.task then job.run_in_house(job.stop, self.task) end
  if self.timer then self.timer:close() end
  if not self.conn then finish(self, { cause = "closed" }) end
end

--- Ends it: what waits in the outbox is sent as far as there is room, the
--- connection is closed, and none is made again. Returns at once.
---@param code integer|nil 1000 by default
---@param reason string|nil
function methods:close(code, reason)
  if self.is_ending or self.state == "closed" then return end
  local conn = self.conn
  self.is_ending = true
  pcall(stop, self)
  if not conn then return end
  if self.ready then pcall(self.delivery.flush, self.delivery, conn) end
  conn:close(code or 1000, reason)
end

--- Ends it now, without a closing handshake.
function methods:terminate()
  local conn = self.conn
  self.is_ending = true
  if self.state ~= "closed" then pcall(stop, self) end
  if conn then conn:terminate() end
end

function mt.__close(self, err)
  if err ~= nil then return self:close(1011) end
  self:close()
end

function mt:__tostring()
  return ("neap.client %s (%s)"):format(self.shown or "?", self.state)
end

-- Dropped by the script: its connection, if there is one, is told.
function mt:__gc()
  alive[self] = nil
  if self.phase == "closed" then return end
  leaks.client(self.shown, self.token:site(), core.now() - self.began)
  self.token:close()
  if self.task then job.run_loose(job.stop, self.task) end
  if self.conn then core.close_as(self.conn, "abandoned", 1001) end
end

return client
