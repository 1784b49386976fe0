-- The close matrix from the client's side: a connection of neap.connect in each
-- state, ended by each cause, against a server that does only what it is told.

local core = require "neap.core"
local life = require "spec.support.life"
local matrix = require "spec.support.matrix"
local matrix_cell = require "spec.support.matrix_cell"
local matrix_peer = require "spec.support.matrix_peer"
local neap = require "neap"
local socket = require "socket"
local table_of = require "spec.support.matrix_table"

require("neap.log").configure { level = "error", write = function() end }

local LIMITS = { message = "64K", queue = "4M" }

-- ---- states

local EARLY = {
  { name = "TLS handshake", is_early = true, scheme = "wss", enter = function(cell)
    cell:wait("a hello", function() return cell.peer:has_input() end)
  end },
  { name = "upgrade", is_early = true, scheme = "ws", enter = function(cell)
    cell:wait("a request", function() return cell.peer:has_input() end)
  end },
}

local OPEN
for _, state in ipairs(matrix.states) do
  if state.name == "idle" then OPEN = state end
end

-- A client does not end TCP first: it waits for the server to.
local function be_shutdown(cell)
  OPEN.enter(cell)
  cell.peer.answers = false
  cell.peer:frame(3, "no such opcode")
  cell:wait("its Close", function()
    cell.peer:pump()
    return cell.peer.close_code
  end)
end

local states = { EARLY[1], EARLY[2] }
for _, state in ipairs(matrix.states) do
  local is_servers = state.is_early or state.over_tls or state.is_inside
    or state.name == "handler waits"
  if state.name == "shutdown" then
    states[#states + 1] = { name = state.name, why = state.why, enter = be_shutdown }
  elseif not is_servers then
    states[#states + 1] = state
  end
end

-- ---- causes: those of a server's connection, and those of one that is not yet

local function end_attempt(cell) cell.attempt:close() end

local EARLY_CODES = {
  eof = "closed", reset = "closed", protocol = { ["TLS handshake"] = "tls", upgrade = "protocol" },
  cancelled = "cancelled",
}

local causes = {}
for _, cause in ipairs(matrix.causes) do
  if cause.name ~= "drain" then causes[#causes + 1] = cause end
end

local client_matrix = { states = states, causes = causes }

function client_matrix.expect(state, cause)
  if not state.is_early then return matrix.expect(state, cause) end
  local code = EARLY_CODES[cause.name]
  if not code then return nil, "there is no connection yet, and nobody has been heard of" end
  return { type(code) == "table" and code[state.name] or code }
end

-- ---- one cell

local function connect(cell, port)
  local record = cell.record
  local conn, _, code = neap.connect(
    ("%s://127.0.0.1:%d/"):format(cell.state.scheme or "ws", port),
    { timeouts = cell.timeouts, limits = LIMITS, deflate = false, insecure = true })
  record.code = code
  if not conn then return end
  local hear = cell:hear_close()
  conn:defer(function(why) hear(conn, why) end) -- the first, so it comes last
  cell:begin(conn)
end

local function act(cell)
  if not cell.state.is_early then return cell.cause.act(cell) end
  if cell.cause.name == "cancelled" then return end_attempt(cell) end
  if cell.cause.name == "protocol" then return cell.peer:raw "this is no such protocol\r\n\r\n" end
  cell.cause.act(cell)
end

local function play(cell, expected)
  local listening = assert(socket.bind("127.0.0.1", 0))
  listening:settimeout(0)
  cell.opened = core.counts().conn.opened
  cell.attempt = neap.scope()
  cell.attempt:spawn(connect, cell, (select(2, listening:getsockname())))
  cell:wait("a client", function()
    local tcp = listening:accept()
    cell.peer = tcp and matrix_peer.serve(tcp, core.codec)
    return tcp
  end)
  cell.descriptors = matrix_cell.count_descriptors() - 1 -- without its own
  cell.state.enter(cell)
  act(cell)
  cell:go_on(function()
    if cell.state.is_early then return cell.record.code end
    return cell.record.heard.close
  end)
  cell.peer:close()
  listening:close()
  if cell.state.is_early then
    assert.equal(expected[1], cell.record.code)
  else
    cell:check(expected)
  end
  cell.attempt:close()
end

local function run_cell(state, cause, expected)
  local cell = matrix_cell.new(state, cause, "client")
  neap.run(play, cell, expected)
  cell.record, cell.attempt = nil, nil
  life.check_census()
end

describe("a client's connection", function()
  for _, state in ipairs(states) do
    for _, cause in ipairs(causes) do
      local expected = client_matrix.expect(state, cause)
      if expected then
        it(("that is %s, ended by %s, closes once and leaves nothing"):format(
          state.name, cause.name), function()
          run_cell(state, cause, expected)
        end)
      end
    end
  end
end)

describe("the table of a client's close matrix", function()
  it("says what these specs show", function()
    table_of.check(client_matrix, "spec/lifetime/README.md", "a client's close matrix")
  end)
end)
