-- An echo on a session, and the peer that tests it, memory to memory: what the
-- published cases of the Autobahn test suite ask of a server and of a client.

local codec = require("neap.core").codec
local tell = require "spec.support.tell"
local wire = require "spec.support.wire"

local echo_peer = {}

--- The three ways in which bytes arrive.
echo_peer.WAYS = { "whole", "in single bytes", "cut anyhow" }

-- A small generator of its own: the same cuts in every run.
local function make_random(seed)
  return function(limit)
    seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
    return (seed >> 8) % limit + 1
  end
end

local CUT_MOST = 4096

--- Returns an iterator over the pieces in which bytes arrive: one of the ways, or
--- the size of a piece.
function echo_peer.pieces(bytes, way)
  local at, random = 1, make_random(#bytes)
  local fixed = { whole = #bytes, ["in single bytes"] = 1 }
  return function()
    if at > #bytes then return nil end
    local size = fixed[way] or math.tointeger(way) or random(CUT_MOST)
    local piece = bytes:sub(at, at + size - 1)
    at = at + size
    return piece
  end
end

--- Feeds a session and sends back each message that it gives; returns what it
--- wrote, and the other events in words.
function echo_peer.feed(session, bytes, way)
  local events, written = {}, {}
  for piece in echo_peer.pieces(bytes, way) do
    assert(session:feed(piece))
    for event in session.next, session do
      if event.kind == "text" or event.kind == "binary" then
        session:send(event.data, event.kind)
      else
        events[#events + 1] = event.kind
      end
    end
    written[#written + 1] = session:output()
  end
  return table.concat(written), events
end

--- The frames of one compressed message, cut into fragments of `size` bytes of
--- its compressed payload; 0: not cut.
function echo_peer.fragments(bytes, size, masked)
  local whole = wire.frames(bytes)[1]
  if size == 0 or #whole.data <= size then return bytes end
  local frames = {}
  for at = 1, #whole.data, size do
    frames[#frames + 1] = codec.frame {
      opcode = at == 1 and whole.opcode or wire.CONTINUATION, rsv = at == 1 and whole.rsv or 0,
      fin = at + size > #whole.data, data = whole.data:sub(at, at + size - 1),
      key = masked and wire.KEY or nil,
    }
  end
  return table.concat(frames)
end

--- Counts cases by section and role, to be printed as a table at the end.
function echo_peer.counter(title)
  local counts, order = {}, {}
  local counter = {}

  function counter.add(section, role)
    if not counts[section] then
      counts[section] = { server = 0, client = 0 }
      order[#order + 1] = section
    end
    counts[section][role] = counts[section][role] + 1
  end

  function counter.print()
    tell.line("%s: server, client", title)
    for _, section in ipairs(order) do
      local passed = counts[section]
      tell.line("%-10s %6d %6d", section, passed.server, passed.client)
    end
  end

  return counter
end

return echo_peer
