--- Connections: what the scripting layer adds to the core's, and what happens
--- when one ends.

local core = require "neap.core"
local events = require "neap.events"
local json = require "neap.json"
local log = require "neap.log"
local scope = require "neap.scope"
local site = require "neap.site"
local tag = require "neap.tag"
local wait = require "neap.wait"

require "neap.task" -- a callback that waits becomes a task

local methods = core.methods.conn

-- ---- the scope, made when it is first needed

local function fail_conn(conn)
  return function(err, trace)
    log.error(("error in a task of connection #%d: %s"):format(conn.id, tostring(err)),
      tag.put(conn, { trace = trace }))
    core.close_as(conn, "error", 1011, "handler failed")
  end
end

local function new_scope(conn)
  local own = scope.new {
    label = "conn", aside = true, of_conn = conn.id, parent = core.route_scope(conn) or scope.house,
    on_error = fail_conn(conn),
  }
  local life = core.life(conn)
  own.tags = life and life.tags
  if life and life.why then own:close(life.why) end -- else that is still to come
  return own
end

local function scope_of(conn)
  local life = core.life(conn, true)
  life.scope = life.scope or new_scope(conn)
  return life.scope
end

scope.install(methods, scope_of)

function scope.of(owner)
  return core.is_conn(owner) and scope_of(owner) or owner.scope
end

-- ---- sending and waiting

--- Sends a value as JSON text.
---@param value any
---@return true|nil sent, or nil, message, code
function methods:json(value)
  local ok, text = pcall(json.encode, value)
  if not ok then site.fail("%s", tostring(text)) end
  local sent, message, code = self:text(text)
  return sent, message, code
end

-- Places in a connection's life where tasks wait, by name.
local function place_of(conn, name)
  local life = core.life(conn, true)
  life[name] = life[name] or wait.place()
  return life[name]
end

--- Sends, and waits for room in the queue where there is none.
---@param data string
---@param kind "text"|"binary"|nil
---@param seconds number|nil how long to wait at most
---@return true|nil sent, or nil, message, code
function methods:send_wait(data, kind, seconds)
  site.expect(data, "string", "conn:send_wait's data")
  wait.check_limit(seconds, "conn:send_wait's time")
  local deadline = seconds and core.now() + seconds
  while self.state == "open" and not core.has_room(self, #data) do
    local left = deadline and math.max(0, deadline - core.now())
    local woken, message, code = place_of(self, "writers"):wait(left)
    if not woken then return nil, message, code end
  end
  local sent, message, code = self:send(data, kind)
  return sent, message, code
end

--- Waits until the connection is closed.
---@param seconds number|nil
---@return table|nil why, or nil, message, code
function methods:wait_closed(seconds)
  wait.check_limit(seconds, "conn:wait_closed's time")
  local life = core.life(self, true)
  if life.why then return life.why end
  if self.state == "closed" then return nil, "the connection was closed before", "closed" end
  local why, message, code = place_of(self, "closers"):wait(seconds)
  return why, message, code
end

--- Moves the connection to another scope, by default to none: then it belongs
--- to the script, and the handler's return no longer closes it.
---@param to table|nil scope
---@return true|nil detached, or nil, message, code
function methods:detach(to)
  if to ~= nil and not (type(to) == "table" and to.own) then
    site.fail("conn:detach needs a scope, or nothing, not a %s", type(to))
  end
  local detached, message, code = core.detach(self)
  if not detached then return nil, message, code end
  if to then to:own(self) end
  return true
end

local PONG_SECONDS = 10

-- Counted by connection: how often others ping is not for this peer to see.
local function next_payload(conn)
  local life = core.life(conn, true)
  life.last_ping = (life.last_ping or 0) + 1
  return ("%x"):format(life.last_ping)
end

--- Pings the peer, and waits for its pong. Two that ping with one payload wait for
--- the same one.
---@param payload string|nil at most 125 bytes
---@return number|nil seconds until the pong came, or nil, message, code
function methods:ping(payload)
  site.expect(payload, "string or nil", "conn:ping's payload")
  if payload and #payload > 125 then site.fail("conn:ping's payload has at most 125 bytes") end
  payload = payload or next_payload(self)
  local ok, message, code = core.send_ping(self, payload)
  if not ok then return nil, message, code end
  local began = core.now()
  local woken
  woken, message, code = place_of(self, "pings"):wait(PONG_SECONDS, payload)
  if not woken then return nil, message, code end
  return core.now() - began
end

core.hook("conn_pong", function(conn, payload)
  local life = core.life(conn)
  if life and life.pings then life.pings:wake_with(payload, true) end
end)

core.hook("conn_writable", function(conn, handler)
  local life = core.life(conn)
  if life and life.writers then life.writers:wake_all(true) end
  if handler then scope_of(conn):spawn(handler, conn) end
end)

-- ---- the end

local function report(conn, err, trace, handler)
  log.error(("error in a handler of connection #%d: %s"):format(conn.id, tostring(err)),
    tag.put(conn, { trace = trace, remote = conn.remote }))
  if not handler then return end
  local ok, message = pcall(handler, conn, err, trace)
  if not ok then log.error("error in an error handler: " .. tostring(message)) end
end

core.hook("conn_error", report)

local function wake_waiters(life, why)
  if life.closers then life.closers:wake_all(why) end
  if life.writers then life.writers:wake_all(nil, "the connection is closed", "closed") end
  if life.pings then life.pings:wake_all(nil, "the connection is closed", "closed") end
end

-- The transport is gone: the waits go on, the scope ends, and then, beside no
-- other callback, the close handler hears why. Where memory is too short for the
-- first two, it is called once more, later.
core.hook("conn_closed", function(conn, why, handler)
  local life = core.life(conn)
  if life then
    life.why = why
    wake_waiters(life, why)
    if life.scope then
      life.scope:close(why)
      if handler then scope.hand_on(life.scope) end
    end
  end
  core.has_heard(conn)
  if handler then handler(conn, why) end
end)

core.hook("request_gone", function(req)
  local own = rawget(core.env(req), "scope")
  events.gone(req)
  if own then own:cancel "closed" end
end)

core.hook("request_error", function(req, err, trace)
  log.error("error in a request: " .. tostring(err), { trace = trace, remote = req.remote })
end)

core.hook("error", function(message)
  log.error("error: " .. tostring(message):match("^[^\n]*"), { trace = tostring(message) })
end)
