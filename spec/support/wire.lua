-- Frames as a peer would send them, and what a session makes of them.
local codec = require("neap.core").codec

local wire = {
  CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10,
  KEY = "\x37\xfa\x21\x3d", -- of RFC 6455, section 5.7
}

--- A frame of a client: masked, unless `key` is false.
function wire.frame(opcode, data, more)
  local draft = { opcode = opcode, data = data, key = wire.KEY }
  for name, value in pairs(more or {}) do draft[name] = value or nil end
  if more and more.fin == false then draft.fin = false end
  if more and more.key == false then draft.key = nil end
  return codec.frame(draft)
end

function wire.close_payload(code, reason)
  return string.pack(">I2", code) .. (reason or "")
end

local function describe_event(event)
  if event.kind == "close" then
    return ("close %d %s"):format(event.code, event.reason)
  end
  return event.kind .. " " .. event.data
end

local function take_events(session, trace, pausing)
  repeat
    local event, message, code = session:next()
    if event then trace[#trace + 1] = describe_event(event) end
    if pausing then assert(session:pause()) end
    if code then trace.message, trace.code = message, code end
  until not event
end

--- Feeds the chunks to a session: what it saw, in order, and what it wrote.
function wire.read(chunks, options)
  options = options or {}
  local session <close> = codec.session {
    role = options.role or "server", limit = options.limit, mask = options.mask,
    deflate = options.deflate,
  }
  local trace = {}
  for _, chunk in ipairs(chunks) do
    assert(session:feed(chunk))
    if options.pausing then assert(session:pause()) end
    take_events(session, trace, options.pausing)
  end
  trace.fail, trace.done = session:fail_code(), session:done()
  trace.output = session:output()
  return trace
end

--- The bytes one by one.
function wire.split(bytes)
  local chunks = {}
  for i = 1, #bytes do chunks[i] = bytes:sub(i, i) end
  return chunks
end

-- A small generator of its own: the same cuts in every run.
local function make_random(seed)
  return function(limit)
    seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
    return (seed >> 8) % limit + 1
  end
end

local function cut(bytes, random)
  local chunks, at = {}, 1
  while at <= #bytes do
    local size = random(random(2) == 1 and 8 or #bytes)
    chunks[#chunks + 1] = bytes:sub(at, at + size - 1)
    at = at + size
  end
  return chunks
end

local function with_pauses(options)
  local copy = { pausing = true }
  for name, value in pairs(options or {}) do copy[name] = value end
  return copy
end

--- Feeds the bytes whole, byte by byte, cut at random places and with pauses.
--- Every way must give the same; returns that.
function wire.read_every_way(bytes, options)
  local luassert = require "luassert"
  local whole = wire.read({ bytes }, options)
  luassert.same(whole, wire.read({ bytes }, with_pauses(options)))
  if #bytes <= 5000 then luassert.same(whole, wire.read(wire.split(bytes), options)) end
  local random = make_random(#bytes)
  for _ = 1, 20 do
    local chunks = cut(bytes, random)
    luassert.same(whole, wire.read(chunks, options))
    luassert.same(whole, wire.read(chunks, with_pauses(options)))
  end
  return whole
end

--- The frames in a run of bytes, each {opcode=, fin=, data=, …}; fails when
--- there is anything else in it.
function wire.frames(bytes)
  local frames, at = {}, 1
  while at <= #bytes do
    local head, size = codec.read_frame(bytes:sub(at, at + 13))
    assert(size, "not a frame")
    local data = bytes:sub(at + size, at + size + head.length - 1)
    assert(#data == head.length, "a frame that is cut off")
    head.data = head.key and codec.mask(data, head.key) or data
    frames[#frames + 1] = head
    at = at + size + head.length
  end
  return frames
end

return wire
