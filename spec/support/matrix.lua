-- The close matrix: the states that a connection can be in, the causes that can
-- end it, and what the contract says of each pair.
--
-- A state is `enter(cell)`; a cause is `act(cell)`. `expect(state, cause)` gives
-- the why {cause, by, code, clean}, or nil and why there is no such cell.

local core = require "neap.core"
local neap = require "neap"
local ws = require "spec.support.ws"

local matrix = {}

-- Sends until so many bytes are queued, or no more are taken.
local function flood(cell, bytes)
  local conn, chunk = cell.record.conn, ("x"):rep(500000)
  while conn:buffered() < bytes and conn:send(chunk, "binary") do end
end

local function turn(times)
  for _ = 1, times or 3 do neap.sleep(0) end
end

-- ---- states

local function be_open(cell)
  cell.peer:ask "/"
  cell:wait("an open connection", function()
    cell.peer:pump()
    return cell.record.conn and cell.peer.status
  end)
  turn()
end

-- The kernel may take more of it later, on a machine that does other things; so much
-- that there is room for what waits it does not take.
local function be_backlogged(cell)
  be_open(cell)
  cell.peer.reads = false
  repeat
    flood(cell, 3e6)
    turn()
  until cell.record.conn:buffered() >= 3e6
  cell:start_wait("send_wait", function(conn)
    return conn:send_wait(("y"):rep(3500000), "binary")
  end)
  turn()
end

matrix.states = {
  { name = "TLS handshake", is_early = true, over_tls = true, enter = function(cell)
    cell.peer:raw "\x16\x03\x01\x00\x08\x01" -- of a record of eight bytes
    cell:wait("a stream", function() return core.counts().tls.live == 1 end)
  end },
  { name = "open, over TLS", over_tls = true, enter = function(cell)
    cell.peer:start_tls()
    cell:wait("the TLS handshake", function() return cell.peer:is_secure() end)
    be_open(cell)
  end },
  { name = "head", is_early = true, enter = function(cell)
    cell.peer:ask("/", 20)
    cell:wait("a stream", function() return core.counts().stream.live == 1 end)
  end },
  { name = "answer", is_early = true, enter = function(cell)
    cell.peer:ask "/"
    cell:wait("the pipeline", function() return cell.record.is_asked end)
  end },
  { name = "idle", enter = be_open },
  { name = "handler runs", is_inside = true, enter = be_open },
  { name = "handler waits", enter = function(cell)
    be_open(cell)
    cell.peer:frame(ws.TEXT, "wait")
    cell:wait("the handler", function() return cell.record.is_waiting end)
  end },
  { name = "backlogged", is_stalled = true, enter = be_backlogged },
  { name = "closing, local", why = { "closed", "local", 4000, false }, enter = function(cell)
    be_open(cell)
    cell.peer.answers = false
    cell.record.conn:close(4000, "began here")
    turn()
  end },
  { name = "closing, remote", is_stalled = true, why = { "closed", "peer", 4002, false },
    enter = function(cell)
      be_backlogged(cell)
      cell.peer:send_close(4002)
      cell:wait("closing", function() return cell.record.conn.state == "closing" end)
    end },
  -- After a whole closing handshake nobody is waited for: only a failure gets here.
  { name = "shutdown", why = { "protocol", "peer", 1002, false }, enter = function(cell)
    be_open(cell)
    cell.peer.answers = false
    cell.peer:frame(3, "no such opcode")
    cell:wait("FIN", function()
      cell.peer:pump()
      return cell.peer.is_ended
    end)
  end },
}

-- ---- causes

local function fail(cell)
  if cell.state.is_inside then error "on purpose" end
  if cell.state.name == "answer" then cell.record.may_fail = true end
  local conn = cell.record.conn
  if conn then conn:spawn(function() error "on purpose" end) end
end

local function be_silent(cell)
  cell.peer.answers = false
end

local function fragments(count, mask)
  local empty = ws.frame { opcode = ws.CONTINUATION, payload = "", fin = false, mask = mask }
  return ws.frame { opcode = ws.TEXT, payload = "", fin = false, mask = mask } .. empty:rep(count)
end

-- Only the script's own reference is left, and it goes.
local function abandon(cell)
  cell.record.conn:detach()
  cell.record.conn = nil
  cell.is_dropped = true
end

matrix.causes = {
  { name = "closed, local", why = { "closed", "local", 4001, true },
    act = function(cell) cell.record.conn:close(4001, "enough") end },
  { name = "closed, peer", early = true, why = { "closed", "peer", 4002, true },
    act = function(cell) cell.peer:send_close(4002) end },
  { name = "eof", early = true, why = { "eof", "net", 1006, false },
    act = function(cell) cell.peer:fin() end },
  { name = "reset", early = true, why = { "reset", "net", 1006, false },
    act = function(cell) cell.peer:reset() end },
  { name = "no_pong", why = { "no_pong", "local", 1006, false },
    timeouts = { ping = 20, pong = 10 }, act = be_silent },
  { name = "write_timeout", why = { "write_timeout", "local", 1006, false },
    timeouts = { write = 15 }, act = be_silent },
  { name = "killed", why = { "killed", "local", 1006, false },
    act = function(cell) cell.record.conn:terminate() end },
  { name = "idle", why = { "idle", "local", 1001, true }, timeouts = { idle = 7 },
    act = function() end },
  { name = "protocol", early = true, why = { "protocol", "peer", 1002, false },
    act = function(cell) cell.peer:frame(3, "no such opcode") end },
  { name = "too_big", why = { "too_big", "local", 1009, false },
    act = function(cell) cell.peer:frame(ws.TEXT, ("x"):rep(70000)) end },
  { name = "overflow", why = { "overflow", "local", 1013, true },
    act = function(cell)
      cell.peer.reads = false
      flood(cell, math.huge)
      cell.peer.reads = true
    end },
  { name = "rate", why = { "rate", "local", 1008, false },
    act = function(cell) cell.peer:raw(fragments(2000, cell.peer.mask)) end },
  { name = "error", early = true, why = { "error", "local", 1011, true }, act = fail },
  { name = "cancelled", why = { "cancelled", "local", 1001, true },
    act = function(cell) core.close_as(cell.record.conn, "cancelled", 1001) end },
  { name = "abandoned", why = { "abandoned", "local", 1001, true }, act = abandon },
  { name = "drain", why = { "drain", "server", 1001, true },
    act = function(cell) core.close_as(cell.record.conn, "drain", 1001) end },
}

-- ---- what the contract says

local NO_CONN = "before `open` there is no connection to ask"
local EARLY_ERROR = "no handler has seen it yet"
local NO_QUEUE = "nothing is queued: once something is, this is `backlogged`"
local HELD = "its handler holds it"

local function expect_early(state, cause)
  if not cause.early then return nil, NO_CONN end
  if state.name == "head" or state.over_tls then
    if cause.name == "error" then return nil, EARLY_ERROR end
    if state.over_tls then return { "dropped" } end
    local is_answered = cause.name == "protocol" or cause.name == "closed, peer"
    return { is_answered and "answered 400" or "dropped" }
  end
  if cause.name == "error" then return { "answered 500" } end
  if cause.name == "eof" or cause.name == "reset" then return { "dropped" } end
  return nil, "nothing is read until the answer: it is the next state's"
end

-- The first reason stays; what comes later can only hasten the end.
local function expect_closing(state, cause)
  if state.is_stalled and cause.name == "overflow" then -- whose peer reads on
    return { "closed", "peer", 4002, true }
  end
  if state.name == "closing, local" and cause.name == "closed, peer" then
    return { "closed", "local", 4002, true }
  end
  return state.why
end

--- What ends the connection, as {cause, by, code, clean}, early as {what happens};
--- or nil and the reason that the pair is none.
function matrix.expect(state, cause)
  if state.is_early then return expect_early(state, cause) end
  if cause.name == "abandoned" and (state.is_inside or state.name == "handler waits") then
    return nil, HELD
  end
  if state.why then return expect_closing(state, cause) end
  if cause.name == "write_timeout" and not state.is_stalled then return nil, NO_QUEUE end
  local why = table.move(cause.why, 1, 4, 1, {})
  if state.is_stalled and cause.name ~= "overflow" then why[4] = false end
  return why
end

return matrix
