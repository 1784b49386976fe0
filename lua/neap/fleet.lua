--- neap.fleet: many clients under one scope, of which so many connect at a time.

local clients = require "neap.client"
local entry = require "neap.entry"
local scope = require "neap.scope"
local site = require "neap.site"
local suggest = require "neap.suggest"
local wait = require "neap.wait"

local fleet = {}

local methods = {}
local mt = { __name = "neap.fleet", __index = methods }

local CONNECTING = 32 -- at a time

local NAMES = { "size", "client", "connecting", "scope" }

-- ---- the gate: who may connect

local gate_methods = {}
local gate_mt = { __index = gate_methods }

local function leave(pass)
  local gate = pass.gate
  gate.inside = gate.inside - 1
  gate.queue:wake_one(true)
end

local pass_mt = { __close = leave }

-- A turn that was given to a task which was closed goes to the next one.
local function new_gate(most)
  local gate = setmetatable({ most = most, inside = 0 }, gate_mt)
  gate.queue = wait.place(function() gate.queue:wake_one(true) end)
  return gate
end

--- Waits for a turn; the pass gives it back when it is closed.
---@return table|nil pass nil when the client is stopped meanwhile
function gate_methods:enter()
  while self.inside >= self.most do
    if not self.queue:wait() then return nil end
  end
  self.inside = self.inside + 1
  return setmetatable({ gate = self }, pass_mt)
end

-- ---- the fleet

local function check_count(value, name, least)
  if math.type(value) ~= "integer" or value < least then
    site.fail("neap.fleet's %s must be a whole number, %d or more", name, least)
  end
end

local function check(given)
  site.expect(given, "table", "neap.fleet's options")
  for name in pairs(given) do
    local is_known = false
    for _, known in ipairs(NAMES) do is_known = is_known or known == name end
    if not is_known then
      site.fail("unknown option %s of neap.fleet%s", tostring(name), suggest.hint(name, NAMES))
    end
  end
  check_count(given.size or 0, "size", 0)
  check_count(given.connecting or CONNECTING, "connecting", 1)
  site.expect(given.client, "table or function or nil", "neap.fleet's client")
end

-- Side by side: one after the other they would take too long.
local function close_all(self)
  self:each(function(client) client:close(1001) end)
end

--- Makes a fleet. `client` is the options of each, or a function that gives them
--- for a number.
---@param given table {size, client, connecting = 32, scope}
---@return table fleet
function fleet.new(given)
  check(given)
  local self = setmetatable({
    scope = scope.new { label = "fleet", within = given.scope and { given.scope } or nil },
    gate = new_gate(given.connecting or CONNECTING), clients = {},
  }, mt)
  self.scope:on_cancel(function() close_all(self) end)
  for i = 1, given.size or 0 do
    local options = given.client
    if type(options) == "function" then options = options(i) end
    self:add(options)
  end
  return self
end

--- Adds a client, which connects when its turn comes.
---@param options table those of neap.client
---@return table|nil client, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:add(options)
  site.expect(options, "table", "a client's options")
  if self.scope.state ~= "open" then return nil, "the fleet is closed", "closed" end
  local own = {}
  for name, value in pairs(options) do own[name] = value end
  own.scope, own.gate = self.scope, self.gate
  local client
  function own.on_end(why)
    self.clients[client] = nil
    if options.on_end then entry.attempt(options.on_end, why) end
  end
  client = clients.new(own)
  if client.state ~= "closed" then self.clients[client] = true end
  return client
end

--- Says how many of its clients are in each state.
---@return table<string, integer> counts open, backoff, connecting, …; total
function methods:counts()
  local counts = { total = 0 }
  for client in pairs(self.clients) do
    counts[client.state] = (counts[client.state] or 0) + 1
    counts.total = counts.total + 1
  end
  return counts
end

--- Calls fn(client) for each that has not ended.
---@param fn fun(client: table)
function methods:each(fn)
  local list = {}
  for client in pairs(self.clients) do list[#list + 1] = client end
  for _, client in ipairs(list) do fn(client) end
end

--- Gives every client a message; returns how many took it.
---@param data string
---@param kind "text"|"binary"|nil
---@return integer count
function methods:send(data, kind)
  local count = 0
  self:each(function(client)
    if client:send(data, kind) then count = count + 1 end
  end)
  return count
end

--- Ends every client, and then the fleet.
function methods:close()
  self.scope:close()
end

mt.__close = methods.close

function mt:__tostring()
  return ("neap.fleet (%d clients)"):format(self:counts().total)
end

return fleet
