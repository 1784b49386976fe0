-- The published case list of the Autobahn test suite, sections 1 to 7, 9 and 10,
-- strict: what comes back and the close code, for a server and for a client, each
-- case whole, in single bytes and cut at random places. Sections 12 and 13 stand in
-- the file beside this one.
--
-- NEAP_LONG=1 plays the large cases in every way.

local cases = require "spec.support.autobahn_cases"
local codec = require("neap.core").codec
local echo_peer = require "spec.support.echo_peer"
local wire = require "spec.support.wire"

local LONG = os.getenv "NEAP_LONG"

-- Bytes of a case that still arrive in that way.
local MOST = {
  whole = math.maxinteger, ["in single bytes"] = LONG and 1 << 20 or 20000,
  ["cut anyhow"] = LONG and math.maxinteger or 2 << 20,
}

local function encode(role, frame)
  local draft = { opcode = frame[1], data = frame[2], key = role == "server" and wire.KEY or nil }
  for name, value in pairs(frame[3] or {}) do draft[name] = value end
  return codec.frame(draft)
end

local function encode_all(role, frames)
  local bytes = {}
  for i, frame in ipairs(frames) do bytes[i] = encode(role, frame) end
  return table.concat(bytes)
end

local function new_session(role)
  return codec.session { role = role, mask = wire.KEY }
end

-- Frames that are long are compared, not printed.
local function assert_frames(want, bytes, role)
  local got = wire.frames(bytes)
  for i, frame in ipairs(want) do
    local other = got[i]
    assert.is_true(other ~= nil, ("frame %d does not come"):format(i))
    assert.same({ frame[1], true, 0, role == "client" },
      { other.opcode, other.fin, other.rsv, other.masked })
    if frame[2] ~= other.data then
      assert.equal(frame[2]:sub(1, 200), other.data:sub(1, 200))
      error "the data differs far behind"
    end
  end
  assert.equal(#want, #got)
end

-- The Close frame that ends the case, behind what is wanted.
local function with_close(case)
  local want = table.move(case.want, 1, #case.want, 1, {})
  local payload = case.close or string.pack(">I2", case.code or 1000)
  want[#want + 1] = { wire.CLOSE, payload }
  return want
end

local function bytes_of(role, case)
  local frames = case.make and case.make() or case.frames
  local bytes = encode_all(role, frames)
  if case.code or case.close then return bytes end
  return bytes .. encode(role, { wire.CLOSE, string.pack(">I2", 1000) })
end

local function play(role, case, bytes, way)
  local session <close> = new_session(role)
  local written = echo_peer.feed(session, bytes, way)
  assert_frames(with_close(case), written, role)
  assert.equal(case.code, session:fail_code())
  assert.is_true(session:done())
end

-- What is still right passes; what makes it wrong fails at once.
local function play_steps(role, case)
  local session <close> = new_session(role)
  local bytes, at = encode_all(role, case.frames), 1
  local head = #bytes - #case.frames[1][2]
  for i, step in ipairs(case.steps) do
    local size = step
    if type(step) == "string" then
      size = #encode(role, case.frames[i])
    elseif i == 1 then
      size = head + step
    end
    local written = echo_peer.feed(session, bytes:sub(at, at + size - 1), "whole")
    at = at + size
    local is_last = i == #case.steps
    assert.equal(is_last and case.code or nil, session:fail_code())
    assert_frames(is_last and with_close(case) or {}, written, role)
  end
end

local counter = echo_peer.counter "Autobahn cases passed"

local function section_of(id)
  return id:match "^6" and "6" or id:match "^%d+%.%d+%." and id:match "^%d+%.%d+" or id:match "^%d+"
end

describe("the Autobahn case", function()
  teardown(counter.print)

  for _, case in ipairs(cases) do
    it(case.id, function()
      for _, role in ipairs { "server", "client" } do
        local bytes = bytes_of(role, case)
        for _, way in ipairs(echo_peer.WAYS) do
          if #bytes <= MOST[way] then play(role, case, bytes, way) end
        end
        if case.sizes then play(role, case, bytes, case.sizes) end
        if case.steps then play_steps(role, case) end
        counter.add(section_of(case.id), role)
      end
    end)
  end
end)
