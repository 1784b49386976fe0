--- Buckets: a rate for each of many keys, in memory that is bounded.
--
-- A key is one number, the time at which it would have used up what it took
-- (GCRA). When there are too many keys, the one that was quiet longest goes.

local buckets = {}

local methods = {}
local mt = { __index = methods }

--- Makes buckets that hold `burst` and get one more every `interval` seconds.
---@param interval number
---@param burst integer
---@param most integer the keys that are remembered at most
---@return table
function buckets.new(interval, burst, most)
  local self = setmetatable({ interval = interval, burst = burst, most = most }, mt)
  self:clear()
  return self
end

--- Forgets all keys.
function methods:clear()
  self.by_key, self.count = {}, 0
  self.list = {} -- its next is the newest, its prev the one that was quiet longest
  self.list.next, self.list.prev = self.list, self.list
end

local function unlink(node)
  node.prev.next, node.next.prev = node.next, node.prev
end

local function link_first(list, node)
  node.prev, node.next = list, list.next
  list.next.prev, list.next = node, node
end

local function forget_oldest(self)
  local oldest = self.list.prev
  unlink(oldest)
  self.by_key[oldest.key] = nil
  self.count = self.count - 1
end

local function node_for(self, key)
  local node = self.by_key[key]
  if node then
    unlink(node)
  else
    if self.count >= self.most then forget_oldest(self) end
    node = { key = key, full_at = 0 }
    self.by_key[key] = node
    self.count = self.count + 1
  end
  link_first(self.list, node)
  return node
end

--- Takes one from the bucket of `key`.
---@param key string
---@param now number seconds
---@return boolean taken
---@return number|nil seconds until there is one, when there was none
function methods:take(key, now)
  local node = node_for(self, key)
  local full_at = math.max(node.full_at, now) + self.interval
  local wait = full_at - self.interval * self.burst - now
  if wait > 1e-9 then return false, wait end
  node.full_at = full_at
  return true
end

return buckets
