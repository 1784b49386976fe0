-- The close matrix: a connection in each state, ended by each cause, in the
-- table form and in the task form. In memory, on a clock that the spec moves.

local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"
local test = require "neap.test"

local OPTIONS = {
  limits = { message = "64K", queue = "512K" },
  timeouts = { ping = 20, pong = 10, write = 15, close = 5, cancel = 1 },
}

-- ---- the connection under test, and what it hears of its end

local function new_record()
  return { closed = 0, waits = {} }
end

-- Waits of all kinds that the end must answer, each once.
local function start_waits(conn, record)
  local function wait(name, fn)
    conn:spawn(function()
      local answer = table.pack(fn())
      record.waits[name] = (record.waits[name] or 0) + 1
      record[name] = answer[1] or answer[3]
    end)
  end
  wait("sleep", function() return neap.sleep(1000) end)
  wait("ping", function() return conn:ping() end)
  conn:every(500, function() conn:send "tick" end)
  conn:subscribe "matrix"
  neap.spawn(function() record.outside = conn:wait_closed() end)
end

local function table_form(record, state)
  return {
    open = function(conn)
      record.conn = conn
      start_waits(conn, record)
    end,
    message = function(conn, data)
      if data == "fail" then error "failed on purpose" end
      if state.handler_waits then neap.sleep(1000) end
      return conn.state == "open" and data or nil
    end,
    close = function(_, why)
      record.closed, record.why = record.closed + 1, why
    end,
  }
end

local function task_form(record, state)
  return function(conn)
    record.conn = conn
    conn:defer(function(why) record.closed, record.why = record.closed + 1, why end)
    start_waits(conn, record)
    for data in conn:messages() do
      if data == "fail" then error "failed on purpose" end
      if state.handler_waits then neap.sleep(1000) end
    end
    neap.sleep(1000)
  end
end

local FORMS = { { "table", table_form }, { "task", task_form } }

-- ---- states, and how a connection gets there

local STATES = {
  { name = "open" },
  { name = "handler waits", handler_waits = true, enter = function(case)
    case.client:send "wait"
  end },
  { name = "backlogged", enter = function(case)
    case.world:cut "stall"
    for _ = 1, 8 do case.record.conn:send(("x"):rep(50000), "binary") end
  end },
  { name = "closing", enter = function(case)
    case.world:cut "mute"
    case.record.conn:close(4000, "began here")
  end },
}

-- ---- causes: what brings them about, and what the contract says of them

local function advance(seconds)
  return function() test.clock:advance(seconds) end
end

local function cut(how)
  return function(case) case.world:cut(how) end
end

local CAUSES = {
  { "closed", by = "local", code = 4001, clean = true,
    act = function(case) case.record.conn:close(4001, "enough") end },
  { "closed", as = "closed by the peer", by = "peer", code = 4002, clean = true,
    act = function(case) case.client:close(4002, "bye") end },
  { "eof", by = "net", code = 1006, clean = false, act = cut "fin" },
  { "reset", by = "net", code = 1006, clean = false, act = cut "reset" },
  { "no_pong", by = "local", code = 1006, clean = false, act = cut "silence", after = advance(32) },
  { "write_timeout", by = "local", code = 1006, clean = false, only = "backlogged",
    act = advance(17) },
  { "killed", by = "local", code = 1006, clean = false,
    act = function(case) case.record.conn:terminate() end },
  { "too_big", by = "local", code = 1009, clean = false, -- what follows is not read
    act = function(case) case.client:send(("x"):rep(70000)) end },
  { "overflow", by = "local", code = 1013, clean = false, only = "backlogged",
    act = function(case)
      for _ = 1, 12 do case.record.conn:send(("x"):rep(50000), "binary") end
    end },
  { "error", by = "local", code = 1011, clean = true,
    act = function(case) case.client:send "fail" end },
  { "cancelled", by = "local", code = 1001, clean = true,
    act = function(case) core.close_as(case.record.conn, "cancelled", 1001) end },
  { "drain", by = "server", code = 1001, clean = true,
    act = function(case) core.close_as(case.record.conn, "drain", 1001) end },
}

-- A cell that can't be: the peer's bytes do not arrive, or no handler reads them.
local function is_impossible(state, cause)
  local needs_client = cause.as or cause[1] == "too_big" or cause[1] == "error"
  if cause.only then return cause.only ~= state.name end
  if state.name == "closing" then return needs_client end
  return cause[1] == "error" and state.handler_waits
end

-- The first reason wins; a peer that can't answer leaves the close unclean.
local function expected(state, cause)
  if state.name == "closing" then
    return { "closed", "local", 4000, false }
  end
  local clean = cause.clean
  if state.name == "backlogged" and cause.clean then
    clean = cause.as ~= nil and "either" or false
  end
  return { cause[1], cause.by, cause.code, clean }
end

local function check_why(why, wanted)
  assert.same({ wanted[1], wanted[2], wanted[3] }, { why.cause, why.by, why.code })
  if wanted[4] ~= "either" then assert.equal(wanted[4], why.clean, "clean") end
  assert.is_true(why.age >= 0)
end

local function check_waits(record)
  assert.same({ sleep = 1, ping = 1 }, record.waits)
  assert.equal("cancelled", record.sleep)
  assert.equal(record.why.cause, record.outside.cause)
end

local function run_cell(state, cause, make)
  neap.run(function()
    local record = new_record()
    local app = neap.app(OPTIONS)
    app:ws("/", make(record, state))
    local case = { record = record, world = test.serve(app) }
    case.client = assert(case.world:connect "/")
    life.wait_until(function() return record.conn end)
    neap.sleep(0.005)
    if state.enter then state.enter(case) end
    neap.sleep(0.005)
    cause.act(case)
    if cause.after then cause.after(case) end
    for _ = 1, 20 do
      if record.closed > 0 then break end
      test.clock:advance(1)
    end
    test.clock:advance(2)
    assert.equal(1, record.closed, "close events")
    check_why(record.why, expected(state, cause))
    check_waits(record)
    assert.equal("closed", record.conn.state)
    assert.equal(0, core.publish("matrix", "anyone?"))
    record.conn = nil
    case.world:close()
  end)
  life.check_census()
end

describe("a connection", function()
  for _, state in ipairs(STATES) do
    for _, cause in ipairs(CAUSES) do
      for _, form in ipairs(FORMS) do
        if not is_impossible(state, cause) then
          local name = ("that is %s, ended by %s, as a %s"):format(
            state.name, cause.as or cause[1], form[1])
          it(name .. ", closes once and leaves nothing", function()
            run_cell(state, cause, form[2])
          end)
        end
      end
    end
  end
end)
