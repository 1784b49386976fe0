-- One cell of a close matrix: a connection in a state, which a cause ends, with what
-- it hears meanwhile, and what must be true at its end.

local assert = require "luassert"
local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

local matrix_cell = {}

local NO_TIMEOUTS = { ping = 0, pong = 0, idle = 0, write = 0, close = 5, cancel = 1 }

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
function matrix_cell.count_descriptors()
  local count = 0
  for fd = 0, 63 do
    local file, _, code = io.open("/proc/self/fd/" .. fd)
    if file then file:close() end
    if code ~= 2 then count = count + 1 end
  end
  return count
end

--- What an open connection owns, and waits for.
function cell_methods:begin(conn)
  local record = self.record
  record.conn = conn
  conn:subscribe "matrix"
  conn:every(3, function() record.ticks = record.ticks + 1 end)
  conn:defer(function(why) record:hear("defer", why) end)
  conn:on_cancel(function() record:hear "on_cancel" end)
  start_waits(self)
end

--- The close handler, which looks around.
function cell_methods:hear_close()
  return function(conn, why)
    local record = self.record
    record:hear("close", why)
    record.at_close = {
      state = conn.state, topics = select(3, conn:topics()), ticks = record.ticks,
      conns = core.counts().conn.live, queued = core.counts().frame_buffer.bytes,
      tls = core.counts().tls.live,
      reached = core.publish("matrix", "anyone?"), descriptors = matrix_cell.count_descriptors(),
    }
  end
end

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

--- Turns the loop, and moves the clock once turning alone brings no end.
function cell_methods:go_on(is_over)
  for i = 1, 200 do
    for _ = 1, 3 do
      neap.sleep(0)
      if self.peer.tcp then self.peer:pump() end
    end
    if self.is_dropped then life.collect() end
    if is_over() then return end
    if i > 8 then test.clock:advance(0.5) else neap.sleep(0.001) end
  end
  error("no end of " .. self.name, 0)
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

local function check_answer(cell, name, answer)
  if ANSWERS[name] then
    assert.is_true(ANSWERS[name][answer], name .. " was answered " .. tostring(answer))
  else
    assert.equal(cell.record.close.cause, answer.cause, name)
  end
end

-- What waits on a dropped connection is dropped with it.
local function check_waits(cell)
  local times = cell.is_dropped and 0 or 1
  for name, wait in pairs(cell.record.waits) do
    assert.equal(times, wait.count, name .. " returned so many times")
    if times == 1 then check_answer(cell, name, wait.answer) end
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

--- Raises unless it has ended as expected, {cause, by, code, clean}.
function cell_methods:check(expected)
  check_events(self)
  check_why(self, expected)
  check_waits(self)
end

--- Makes one; `form` is how its handler is written.
function matrix_cell.new(state, cause, form)
  local timeouts = {}
  for name, value in pairs(NO_TIMEOUTS) do timeouts[name] = value end
  for name, value in pairs(cause.timeouts or {}) do timeouts[name] = value end
  return setmetatable({
    name = ("%s × %s (%s)"):format(state.name, cause.name, form), state = state,
    cause = cause, form = form, timeouts = timeouts, record = new_record(),
  }, cell_mt)
end

return matrix_cell
