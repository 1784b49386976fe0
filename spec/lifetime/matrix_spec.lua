-- The close matrix: a connection in each state, ended by each cause, in both
-- forms of a handler; on sockets, with a clock that the spec moves.
-- README.md beside this file is its table: NEAP_WRITE=1 writes it again.

local core = require "neap.core"
local life = require "spec.support.life"
local matrix = require "spec.support.matrix"
local matrix_peer = require "spec.support.matrix_peer"
local neap = require "neap"
local table_of = require "spec.support.matrix_table"
local test = require "neap.test"
local tls_world = require "spec.support.tls_world"

require("neap.log").configure { level = "error", write = function() end }

local LIMITS = { message = "64K", queue = "4M" }
local NO_TIMEOUTS = { ping = 0, pong = 0, idle = 0, write = 0, close = 5, cancel = 1 }

-- ---- one cell

local cell_methods = {}
local cell_mt = { __index = cell_methods }

function cell_methods:wait(what, done)
  life.wait_until(done, what .. " in " .. self.name)
end

-- Runs a wait in a task of the connection, and keeps what it was answered.
function cell_methods:start_wait(name, fn, spawn)
  local waits, conn = self.record.waits, self.record.conn
  waits[name] = { count = 0 }
  local function run(of)
    local value, _, code = fn(of)
    waits[name].count = waits[name].count + 1
    waits[name].answer = value or code
  end
  if spawn then spawn(run, conn) else conn:spawn(run, conn) end
end

local function start_waits(cell)
  cell:start_wait("sleep", function() return neap.sleep(1e6) end)
  cell:start_wait("ping", function(conn) return conn:ping "kept" end)
  cell:start_wait("wait_closed", function(conn) return conn:wait_closed() end)
  if cell.cause.name ~= "abandoned" then
    cell:start_wait("outside", function(conn) return conn:wait_closed() end, neap.spawn)
  end
end

-- Sockets and pipes answer to open with another error than what is closed.
local function count_descriptors()
  local count = 0
  for fd = 0, 63 do
    local file, _, code = io.open("/proc/self/fd/" .. fd)
    if file then file:close() end
    if code ~= 2 then count = count + 1 end
  end
  return count
end

local function begin(cell, conn)
  local record = cell.record
  record.conn = conn
  conn:subscribe "matrix"
  conn:every(3, function() record.ticks = record.ticks + 1 end)
  conn:defer(function(why) record:hear("defer", why) end)
  conn:on_cancel(function() record:hear "on_cancel" end)
  start_waits(cell)
end

-- What a handler does with what comes; both forms share it.
local function take(cell, data)
  if data == "act" then cell.cause.act(cell) end
  if data == "wait" then
    cell.record.is_waiting = true
    cell:start_wait("handler", function() return neap.sleep(1e6) end, function(run) run() end)
  end
end

local function hear_close(cell)
  return function(conn, why)
    local record = cell.record
    record:hear("close", why)
    record.at_close = {
      state = conn.state, topics = select(3, conn:topics()), ticks = record.ticks,
      conns = core.counts().conn.live, queued = core.counts().frame_buffer.bytes,
      tls = core.counts().tls.live,
      reached = core.publish("matrix", "anyone?"), descriptors = count_descriptors(),
    }
  end
end

local FORMS = {
  table = function(cell)
    return {
      timeouts = cell.timeouts,
      open = function(conn) begin(cell, conn) end,
      message = function(_, data) take(cell, data) end,
      close = hear_close(cell),
    }
  end,
  task = function(cell)
    return { timeouts = cell.timeouts, close = hear_close(cell) }, function(conn)
      begin(cell, conn)
      if cell.cause.name == "abandoned" then return conn:detach() end
      for data in conn:messages() do take(cell, data) end
      cell.record:hear "messages end"
    end
  end,
}

local function new_record()
  return {
    waits = {}, ticks = 0, heard = {}, order = {},
    hear = function(self, name, why)
      self.heard[name] = (self.heard[name] or 0) + 1
      self.order[#self.order + 1] = name
      self[name] = why
    end,
  }
end

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

-- Turns the loop, and moves the clock once turning alone brings no end.
local function go_on(cell, is_over)
  for i = 1, 200 do
    for _ = 1, 3 do
      neap.sleep(0)
      if cell.peer.tcp then cell.peer:pump() end
    end
    if cell.is_dropped then life.collect() end
    if is_over() then return end
    if i > 8 then test.clock:advance(0.5) else neap.sleep(0.001) end
  end
  error("no end of " .. cell.name, 0)
end

-- ---- what must be true of it

local function check_early(cell, expected)
  assert.is_nil(cell.record.heard.close)
  assert.equal(0, core.counts().conn.opened - cell.opened)
  local status = tonumber(expected[1]:match "%d+")
  if cell.peer.tcp or status then assert.equal(status, cell.peer.status) end
  if cell.state.name == "answer" then assert.equal(1, cell.record.heard.request) end
end

local function check_why(cell, expected)
  local why = cell.record.close
  assert.same(expected, { why.cause, why.by, why.code, why.clean })
  assert.is_true(why.age >= 0)
  assert.equal(why.cause, cell.record.defer.cause)
end

-- Of a wait in progress; a ping gives up by itself after 10 s.
local ANSWERS = {
  sleep = { cancelled = true }, handler = { cancelled = true }, send_wait = { closed = true },
  ping = { closed = true, timeout = true },
}

-- What waits on a dropped connection is dropped with it.
local function check_waits(cell)
  for name, wait in pairs(cell.record.waits) do
    if cell.is_dropped then return assert.equal(0, wait.count) end
    assert.equal(1, wait.count, name .. " returned so many times")
    if ANSWERS[name] then
      assert.is_true(ANSWERS[name][wait.answer], name .. " was answered " .. tostring(wait.answer))
    else
      assert.equal(cell.record.close.cause, wait.answer.cause, name)
    end
  end
end

local function check_events(cell)
  local heard, at = cell.record.heard, cell.record.at_close
  assert.same({ 1, 1, 1 }, { heard.close, heard.defer, heard.on_cancel }, "close, defer, on_cancel")
  assert.equal("close", cell.record.order[#cell.record.order])
  assert.same({ "closed", "closed", 0, 0, 0, 0 },
    { at.state, at.topics, at.conns, at.tls, at.queued, at.reached })
  assert.is_true(at.descriptors <= cell.descriptors, "its descriptor is open in close")
  assert.equal(at.ticks, cell.record.ticks, "its timer runs on")
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
  cell.descriptors = count_descriptors()
  cell.state.enter(cell)
  act(cell)
  go_on(cell, function()
    if cell.state.is_early then return core.counts().stream.live == 0 end
    return cell.record.heard.close
  end)
  test.clock:advance(4)
  if cell.state.is_early then
    check_early(cell, expected)
  else
    check_events(cell)
    check_why(cell, expected)
    check_waits(cell)
  end
end

local function run_cell(state, cause, form, expected)
  local timeouts = {}
  for name, value in pairs(NO_TIMEOUTS) do timeouts[name] = value end
  for name, value in pairs(cause.timeouts or {}) do timeouts[name] = value end
  local cell = setmetatable({
    name = ("%s × %s (%s)"):format(state.name, cause.name, form), state = state,
    cause = cause, form = form, timeouts = timeouts, record = new_record(),
  }, cell_mt)
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
    table_of.check(matrix, "spec/lifetime/README.md")
  end)
end)
