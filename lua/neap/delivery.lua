--- Delivery: brings what is in a client's outbox onto the connection that is up,
--- and learns what has arrived.
--
-- A pong that answers a ping sent behind a message says that the peer has read
-- the message; so does the answer to our Close.

local core = require "neap.core"
local outbox = require "neap.outbox"
local site = require "neap.site"
local size = require "neap.size"
local suggest = require "neap.suggest"
local task = require "neap.task"
local wait = require "neap.wait"

local delivery = {}

local methods = {}
local mt = { __name = "neap.delivery", __index = methods }

local LIMIT = "1M"
local CONFIRM = 1 -- seconds
local LOOK = 0.1 -- seconds at most until the queue is looked at again
local POLICIES = { "drop_new", "drop_old", "latest", "wait", "close" }

local function check_policy(policy)
  for _, known in ipairs(POLICIES) do
    if policy == known then return end
  end
  site.fail("overflow must be one of %s%s", table.concat(POLICIES, ", "),
    suggest.hint(policy, POLICIES))
end

local function note_drop(self)
  self.dropped = self.dropped + 1
end

--- Makes one; raises at the script's line for wrong options.
---@param given table {limit, overflow, resend, confirm, queue, on_drop}
---@return table
function delivery.new(given)
  local limit, wanted = size.parse(given.limit or LIMIT)
  if not limit then site.fail("outbox must be %s", wanted) end
  local policy = given.overflow or "drop_new"
  check_policy(policy)
  site.expect(given.resend, "boolean or nil", "resend")
  wait.check_limit(given.confirm, "confirm")
  local self = setmetatable({
    queue = given.queue, resend = given.resend, confirm = given.confirm or CONFIRM,
    room = wait.place(), dropped = 0,
  }, mt)
  self.box = outbox.new(limit, policy, given.on_drop or function() note_drop(self) end)
  return self
end

local function has_room(self, conn)
  local item, buffered = self.box:next(), conn:buffered()
  if not buffered then return false end
  return self.queue == 0 or buffered + #item.data <= self.queue
end

-- ---- what has arrived

local function is_crowded(self)
  return self.box.bytes * 2 > self.box.limit
end

local function ask(self, conn)
  local mark = self.box:mark()
  if not conn:ping() or self.conn ~= conn then return false end
  self.box:confirm(mark)
  self.room:wake_all(true)
  local _, flying = self.box:counts()
  return flying > 0
end

-- Knows the delivery weakly: a client that is dropped takes it along.
local function confirm(box, conn)
  local is_busy = box[1] ~= nil
  while is_busy do
    if not is_crowded(box[1]) then task.sleep(box[1].confirm) end
    is_busy = box[1] ~= nil and box[1].conn == conn and ask(box[1], conn)
  end
  if box[1] and box[1].confirming == conn then box[1].confirming = nil end
end

local function want_confirmation(self, conn)
  if self.confirming == conn then return end
  self.confirming = conn
  conn:spawn(confirm, setmetatable({ self }, { __mode = "v" }), conn)
end

-- ---- sending

--- Sends what waits, as far as there is room in the connection's queue.
---@param conn userdata
---@return boolean all
function methods:flush(conn)
  local box, sent_any = self.box, false
  while box:next() and has_room(self, conn) do
    local item = box:next()
    local sent, _, code = conn:send(item.data, item.kind)
    if not sent and (code == "closed" or code == "overflow") then break end
    if sent then box:mark_sent() else box:drop_next() end
    sent_any = true
  end
  if sent_any then want_confirmation(self, conn) end
  return box:next() == nil
end

-- What a turn has written leaves at its end; only where the socket did not take
-- it all is there a writable to wait for.
local function wait_for_room(self, conn)
  if not task.sleep(0) or has_room(self, conn) then return end
  local life = core.life(conn, true)
  life.writers = life.writers or wait.place()
  life.writers:wait(LOOK)
end

-- Where the queue was full: in a task of the connection, until all is sent.
local function pump(self, conn)
  while self.conn == conn and conn.state == "open" and not self:flush(conn) do
    wait_for_room(self, conn)
  end
  if self.pumping == conn then self.pumping = nil end
end

local function move_on(self)
  local conn = self.conn
  if not conn or self:flush(conn) or self.pumping == conn then return end
  self.pumping = conn
  conn:spawn(pump, self, conn)
end

local function check_message(self, data, kind)
  if kind ~= "text" and kind ~= "binary" then
    site.fail('a message is "text" or "binary", not %s', tostring(kind))
  end
  if self.queue > 0 and #data > self.queue then
    return nil, "the message is over limits.queue", "too_big"
  end
  if kind == "text" and not utf8.len(data) then
    return nil, "the text is not UTF-8", "protocol"
  end
  return true
end

--- Takes a message in, and sends it if it can be sent now.
---@param data string
---@param kind string
---@return true|nil sent, or nil, message, code
---@return string|nil message "queued" when it waits
---@return string|nil code
function methods:send(data, kind)
  local ok, message, code = check_message(self, data, kind)
  if not ok then return nil, message, code end
  local item
  item, message, code = self.box:add(data, kind)
  if not item then return nil, message, code end
  move_on(self)
  if item.is_sent then return true end
  return true, "queued"
end

-- ---- up and down

--- The connection is up: what waits goes out.
---@param conn userdata
function methods:went_up(conn)
  self.conn = conn
  move_on(self)
end

--- The connection has ended: `why` gets what may not have arrived, how many
--- wait, and how many are to be sent again.
---@param why table
function methods:went_down(why)
  self.conn, self.confirming, self.pumping = nil, nil, nil
  if why.clean and why.by == "local" then self.box:confirm(self.box:mark()) end
  why.resent = self.resend and self.box:put_back() or 0
  why.unconfirmed = self.box:take_flying()
  why.dropped, self.dropped = self.dropped, 0
  why.waiting = self.box:counts()
  self.room:wake_all(true)
end

--- Takes out what was never sent.
---@return table[] messages {data, kind}
function methods:take_all()
  local list = self.box:take_waiting()
  self.room:wake_all(true)
  return list
end

--- How many messages wait, and how many are in flight.
---@return integer waiting
---@return integer flying
function methods:counts()
  return self.box:counts()
end

return delivery
