--- The options of neap.client, checked at the script's line.

local comeback = require "neap.comeback"
local connect = require "neap.connect"
local delivery = require "neap.delivery"
local entry = require "neap.entry"
local scope = require "neap.scope"
local site = require "neap.site"

local client_options = {}

local HANDLERS = { "on_up", "on_message", "on_down", "on_end", "on_retry", "on_drop" }

-- Beside those of neap.connect; gate and dial are neap's own.
local BESIDE = {
  url = true, reconnect = true, outbox = true, overflow = true, resend = true, confirm = true,
  scope = true, gate = true, dial = true,
}
for _, name in ipairs(HANDLERS) do BESIDE[name] = true end

local function check_url(given)
  site.expect(given.url, "string or function", "neap.client's url")
  if type(given.url) == "function" then return nil end
  local parsed, message = connect.parse(given.url)
  if not parsed then site.fail("%s", message) end
  return parsed
end

-- Any object that has a scope may stand for it.
local function find_owner(given)
  if given.scope == false then return nil end
  if given.scope == nil then return scope.current() end
  local own = given.scope
  if type(own) ~= "table" or not own.places then own = scope.of(own) end
  return own
end

-- The overflow of the options is the outbox's; a full queue of the connection
-- makes the outbox wait.
local function read_plan(given)
  local options = {}
  for name, value in pairs(given) do options[name] = value end
  options.overflow = "wait"
  return (connect.plan(options, BESIDE))
end

local function make_delivery(given, plan)
  local on_drop = given.on_drop
  local self = delivery.new {
    limit = given.outbox, overflow = given.overflow, resend = given.resend,
    confirm = given.confirm, queue = plan.flat["limits.queue"],
    on_drop = on_drop and function(data, kind) entry.attempt(on_drop, data, kind) end,
  }
  return self
end

--- Checks them, and makes of them what a client is made of.
---@param given table
---@return table parts {given, parsed, owner, plan, shown, dial, comeback, can_change, delivery}
function client_options.read(given)
  local parsed, plan = check_url(given), read_plan(given)
  for _, name in ipairs(HANDLERS) do site.expect(given[name], "function or nil", name) end
  return {
    given = given, parsed = parsed, owner = find_owner(given), plan = plan,
    shown = parsed and parsed.shown, dial = given.dial or connect.attempt,
    comeback = given.reconnect ~= false and comeback.new(given.reconnect) or nil,
    can_change = type(given.headers) == "function" or type(given.url) == "function",
    delivery = make_delivery(given, plan),
  }
end

return client_options
