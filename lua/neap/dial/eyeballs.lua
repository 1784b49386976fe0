--- Happy eyeballs (RFC 8305): addresses of both families are tried in turn, a
--- quarter of a second apart, beside one another; the first that answers wins
--- and the others are closed.

local core = require "neap.core"
local socket = require "neap.dial.socket"
local wait = require "neap.wait"

local eyeballs = {}

local STAGGER = 0.25 -- seconds

local function is_v6(address)
  return address:find(":", 1, true) ~= nil
end

--- Orders addresses so that the families alternate, the first one's first.
---@param addresses string[]
---@return string[]
function eyeballs.interleave(addresses)
  local same, other, mixed = {}, {}, {}
  for _, address in ipairs(addresses) do
    local list = is_v6(address) == is_v6(addresses[1]) and same or other
    list[#list + 1] = address
  end
  for i = 1, math.max(#same, #other) do
    mixed[#mixed + 1] = same[i]
    mixed[#mixed + 1] = other[i]
  end
  return mixed
end

local race_mt = {
  __close = function(race)
    for attempt in pairs(race.pending) do attempt:close() end
  end,
}

local function note_failure(race, address, message, code)
  local host = is_v6(address) and "[" .. address .. "]" or address
  table.insert(race.failures, ("%s (%s:%d)"):format(message, host, race.port))
  race.code = race.code or code
end

local function begin_next(race)
  race.tried = race.tried + 1
  race.next_at = core.now() + STAGGER
  local address = race.addresses[race.tried]
  local attempt, message, code = socket.open({ address = address, port = race.port },
    function() race.place:wake_all(true) end)
  if not attempt then return note_failure(race, address, message, code) end
  race.pending[attempt] = true
  attempt:watch "w"
end

-- Takes what has come to an end out of the race; returns the winner.
local function take_winner(race)
  for attempt in pairs(race.pending) do
    if attempt.is_ready then
      race.pending[attempt] = nil
      local ok, message, code = attempt.raw:check()
      if ok then return attempt end
      attempt:close()
      note_failure(race, attempt.target.address, message, code)
      race.next_at = 0 -- the next one need not wait
    end
  end
end

local function wait_in_race(race, deadline)
  local has_next = race.tried < #race.addresses
  local left = socket.left(has_next and math.min(race.next_at, deadline) or deadline)
  local ready, message, code = race.place:wait(left)
  if ready or code == "timeout" and core.now() < deadline then return true end
  if code == "timeout" then
    message = "no answer in time from " .. table.concat(race.addresses, ", ", 1, race.tried)
  end
  return nil, message, code
end

--- Connects to the first of the addresses that answers; waits.
---@param addresses string[]
---@param port integer
---@param deadline number
---@return table|nil socket, or nil, message, code
---@return string|nil message
---@return string|nil code
function eyeballs.connect(addresses, port, deadline)
  local race <close> = setmetatable({
    addresses = eyeballs.interleave(addresses), port = port, place = wait.place(),
    pending = {}, failures = {}, tried = 0, next_at = 0,
  }, race_mt)
  while true do
    local winner = take_winner(race)
    if winner then return winner end
    if race.tried < #race.addresses and core.now() >= race.next_at then
      begin_next(race)
    elseif race.tried == #race.addresses and not next(race.pending) then
      return nil, table.concat(race.failures, "; "), race.code or "refused"
    else
      local ok, message, code = wait_in_race(race, deadline)
      if not ok then return nil, message, code end
    end
  end
end

return eyeballs
