--- The outbox of a client: what was given to it and has not surely arrived.
--
-- A message waits until it is sent, and is then in flight until the peer has
-- answered something that was sent behind it. Both count against the limit.

local outbox = {}

local methods = {}
local mt = { __name = "neap.outbox", __index = methods }

local OVERHEAD = 64 -- bytes that each message counts besides its own

-- ---- queues

local function new_queue()
  return { first = 1, last = 0 }
end

local function push(queue, item)
  queue.last = queue.last + 1
  queue[queue.last] = item
end

local function push_front(queue, item)
  queue.first = queue.first - 1
  queue[queue.first] = item
end

local function take(queue)
  local item = queue[queue.first]
  if not item then return nil end
  queue[queue.first] = nil
  queue.first = queue.first + 1
  return item
end

local function length(queue)
  return queue.last - queue.first + 1
end

-- ----

--- Makes one.
---@param limit integer bytes
---@param policy "drop_new"|"drop_old"|"latest"|"wait"|"close"
---@param on_drop fun(data: string, kind: string) is told what the policy drops
---@return table
function outbox.new(limit, policy, on_drop)
  return setmetatable({
    limit = limit, policy = policy, bytes = 0,
    waiting = new_queue(), flying = new_queue(), on_drop = on_drop,
  }, mt)
end

--- What a message counts for.
---@param data string
---@return integer
function outbox.size(data)
  return #data + OVERHEAD
end

--- Says whether a message of that text fits in now.
---@param data string
---@return boolean
function methods:has_room(data)
  return self.bytes + outbox.size(data) <= self.limit
end

local function drop_oldest(self)
  local item = take(self.waiting)
  if not item then return false end
  self.bytes = self.bytes - outbox.size(item.data)
  self.on_drop(item.data, item.kind)
  return true
end

local function make_room(self, data)
  if self.policy == "latest" then
    while drop_oldest(self) do end
  elseif self.policy == "drop_old" then
    while not self:has_room(data) and drop_oldest(self) do end
  end
  return self:has_room(data)
end

--- Adds a message; what it displaces is dropped.
---@param data string
---@param kind string
---@return table|nil item, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:add(data, kind)
  if outbox.size(data) > self.limit then
    return nil, "the message is larger than the outbox", "too_big"
  end
  if not self:has_room(data) and not make_room(self, data) then
    return nil, "the outbox is full", "overflow"
  end
  local item = { data = data, kind = kind }
  self.bytes = self.bytes + outbox.size(data)
  push(self.waiting, item)
  return item
end

--- Returns the message that is to be sent next, or nil.
---@return table|nil item
function methods:next()
  return self.waiting[self.waiting.first]
end

--- That message has been sent.
function methods:mark_sent()
  local item = take(self.waiting)
  item.is_sent = true
  push(self.flying, item)
end

--- That message can't be sent, ever.
function methods:drop_next()
  drop_oldest(self)
end

--- A place in the order of what was sent, for `confirm`.
---@return integer
function methods:mark()
  return self.flying.last
end

--- All that was sent up to that mark has arrived.
---@param mark integer
function methods:confirm(mark)
  while self.flying.first <= mark do
    local item = take(self.flying)
    if not item then return end
    self.bytes = self.bytes - outbox.size(item.data)
  end
end

--- What is in flight will be sent again, first.
---@return integer count
function methods:put_back()
  local count = length(self.flying)
  for i = self.flying.last, self.flying.first, -1 do
    local item = self.flying[i]
    item.is_sent = nil
    push_front(self.waiting, item)
  end
  self.flying = new_queue()
  return count
end

local function empty(self, queue)
  local list = {}
  for item in take, queue do
    self.bytes = self.bytes - outbox.size(item.data)
    list[#list + 1] = { data = item.data, kind = item.kind }
  end
  return list
end

--- Takes out what is in flight: it may have arrived, or not.
---@return table[] messages {data, kind}
function methods:take_flying()
  return empty(self, self.flying)
end

--- Takes out what has not been sent.
---@return table[] messages {data, kind}
function methods:take_waiting()
  return empty(self, self.waiting)
end

--- How many messages wait, and how many are in flight.
---@return integer waiting
---@return integer flying
function methods:counts()
  return length(self.waiting), length(self.flying)
end

return outbox
