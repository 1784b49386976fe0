-- The close matrix: a connection in each state, ended by each cause, in both
-- forms of a handler; on sockets, with a clock that the spec moves.
-- README.md beside this file is its table: NEAP_WRITE=1 writes it again.

local core = require "neap.core"
local life = require "spec.support.life"
local matrix = require "spec.support.matrix"
local matrix_cell = require "spec.support.matrix_cell"
local matrix_peer = require "spec.support.matrix_peer"
local neap = require "neap"
local table_of = require "spec.support.matrix_table"
local test = require "neap.test"
local tls_world = require "spec.support.tls_world"

require("neap.log").configure { level = "error", write = function() end }

local LIMITS = { message = "64K", queue = "4M" }

-- What a handler does with what comes; both forms share it.
local function take(cell, data)
  if data == "act" then cell.cause.act(cell) end
  if data == "wait" then
    cell.record.is_waiting = true
    cell:start_wait("handler", function() return neap.sleep(1e6) end, function(run) run() end)
  end
end

local FORMS = {
  table = function(cell)
    return {
      timeouts = cell.timeouts,
      open = function(conn) cell:begin(conn) end,
      message = function(_, data) take(cell, data) end,
      close = cell:hear_close(),
    }
  end,
  task = function(cell)
    return { timeouts = cell.timeouts, close = cell:hear_close() }, function(conn)
      cell:begin(conn)
      if cell.cause.name == "abandoned" then return conn:detach() end
      for data in conn:messages() do take(cell, data) end
      cell.record:hear "messages end"
    end
  end,
}

local function make_app(cell)
  local app = neap.app { limits = LIMITS }
  app:use("gate", function(req, next)
    if cell.state.name ~= "answer" then return next(req) end
    local record = cell.record
    req.scope:defer(function() record:hear "request" end)
    record.is_asked = true
    repeat local slept = neap.sleep(0.5) until not slept or record.may_fail
    if record.may_fail then error "on purpose" end
    record:hear "pipeline"
    return next(req)
  end)
  app:ws("/", FORMS[cell.form](cell))
  return app
end

local function act(cell)
  if cell.state.is_inside then
    cell.peer:frame(1, "act")
  else
    cell.cause.act(cell)
  end
end

-- ---- what must be true of it

local function check_early(cell, expected)
  assert.is_nil(cell.record.heard.close)
  assert.equal(0, core.counts().conn.opened - cell.opened)
  local status = tonumber(expected[1]:match "%d+")
  if cell.peer.tcp or status then assert.equal(status, cell.peer.status) end
  if cell.state.name == "answer" then assert.equal(1, cell.record.heard.request) end
end

-- However the cell went, the next one begins with nothing.
local function clean_up(cell, app, listener)
  return setmetatable({}, { __close = function()
    cell.peer:close()
    listener:close()
    for conn in core.conns(true) do conn:terminate() end
    app.scope:close()
  end })
end

local function play(cell, expected)
  local app = make_app(cell)
  local listener = assert(app:listen(
    cell.state.over_tls and "https://127.0.0.1:0" or "http://127.0.0.1:0",
    cell.state.over_tls and { cert = tls_world.cert, key = tls_world.key } or nil))
  cell.opened = core.counts().conn.opened
  cell.peer = matrix_peer.dial(select(2, listener:address()))
  local clean <close> = clean_up(cell, app, listener) -- luacheck: ignore clean
  cell.descriptors = matrix_cell.count_descriptors()
  cell.state.enter(cell)
  act(cell)
  cell:go_on(function()
    if cell.state.is_early then return core.counts().stream.live == 0 end
    return cell.record.heard.close
  end)
  test.clock:advance(4)
  if cell.state.is_early then
    check_early(cell, expected)
  else
    cell:check(expected)
  end
end

local function run_cell(state, cause, form, expected)
  local cell = matrix_cell.new(state, cause, form)
  neap.run(play, cell, expected)
  cell.record = nil
  life.check_census()
end

describe("a connection", function()
  for _, state in ipairs(matrix.states) do
    for _, cause in ipairs(matrix.causes) do
      for _, form in ipairs { "table", "task" } do
        local expected = matrix.expect(state, cause)
        if expected then
          it(("that is %s, ended by %s, as a %s, closes once and leaves nothing"):format(
            state.name, cause.name, form), function()
            run_cell(state, cause, form, expected)
          end)
        end
      end
    end
  end
end)

describe("the table of the close matrix", function()
  it("says what these specs show", function()
    table_of.check(matrix, "spec/lifetime/README.md", "the close matrix")
  end)
end)
