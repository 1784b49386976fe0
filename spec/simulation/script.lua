-- What handlers and clients do: one thing after another, chosen by the seed.

local neap = require "neap"

local script = {}

local random = math.random

local SIZES = { 0, 1, 10, 125, 126, 1000, 4000, 20000, 65535, 70000 }
local KINDS = { "text", "binary" }
local TOPICS = { "a", "b", "c/d" }

local function any(list) return list[random(#list)] end
local function moment() return random(0, 3000) / 1000 end

local function send(self)
  local data = ("x"):rep(any(SIZES))
  local ok, state, code = self.conn:send(data, any(KINDS))
  self.watch:note("%s sends %d: %s %s", self.name, #data, tostring(ok), code or state or "")
end

local function send_many(self)
  for _ = 1, random(2, 20) do
    if not self.conn:send(("y"):rep(random(0, 3000)), "binary") then return end
  end
end

local function start_waiting(self, what, ...)
  return self.watch:wait(self.name .. " " .. what, ...)
end

local function receive(self)
  start_waiting(self, "receives", self.conn.receive, self.conn, moment())
end

local function pause_and_resume(self)
  self.conn:pause()
  start_waiting(self, "sleeps paused", neap.sleep, moment())
  self.conn:resume()
end

local function sleep(self)
  start_waiting(self, "sleeps", neap.sleep, moment())
end

local function defer(self)
  self.conn:defer(self.watch:once(self.name .. " defers"))
end

local function on_cancel(self)
  self.conn:on_cancel(self.watch:once(self.name .. " is cancelled"))
end

local function tick(self)
  local left = random(4)
  local handle
  handle = self.conn:every(0.1 + moment(), function()
    left = left - 1
    self.watch:note("%s ticks", self.name)
    self.conn:send "tick"
    if left == 0 and handle then handle:close() end
  end)
end

local function do_later(self)
  self.conn:after(moment(), function()
    self.watch:note("%s is late", self.name)
    script.act(self)
  end)
end

local function spawn(self)
  self.conn:spawn(function()
    local own = setmetatable({}, { __close = self.watch:once(self.name .. "'s task ends") })
    local _ <close> = own
    for _ = 1, random(3) do script.act(self) end
  end)
end

local function open_child(self)
  local child = self.conn:child()
  if not child then return end
  child:defer(self.watch:once(self.name .. "'s child ends"))
  child:spawn(function() start_waiting(self, "sleeps in a child", neap.sleep, 10) end)
  if random(2) == 1 then child:cancel "enough" end
  start_waiting(self, "looks after a child", neap.sleep, moment())
  child:close()
end

local function shield(self)
  self.conn:shield(1, function()
    start_waiting(self, "sleeps under a shield", neap.sleep, 0.3)
  end)
end

local function publish(self)
  self.app:publish(any(TOPICS), ("p"):rep(random(0, 9000)), any(KINDS))
end

local function get(self)
  if not self.serves then return end
  local name = any { "db", "thing" }
  local value, _, code = start_waiting(self, "gets", self.conn.get, self.conn, name)
  if value and value.is_dead then self.watch:fault("%s gets what is gone", self.name) end
  self.watch:note("%s got %s", self.name, value and value.name or code)
end

local function fail(self)
  self.watch:note("%s fails", self.name)
  error("on purpose", 0)
end

-- How often each is chosen beside the others.
local ACTIONS = {
  { 6, "send", send }, { 2, "send many", send_many }, { 6, "receive", receive },
  { 4, "sleep", sleep }, { 2, "pause and resume", pause_and_resume },
  { 2, "defer", defer }, { 2, "on_cancel", on_cancel }, { 2, "every", tick },
  { 2, "after", do_later }, { 3, "spawn", spawn }, { 2, "child", open_child },
  { 1, "shield", shield }, { 2, "publish", publish }, { 2, "get", get }, { 1, "fail", fail },
  { 1, "ping", function(self) start_waiting(self, "pings", self.conn.ping, self.conn) end },
  { 2, "send_wait", function(self)
    start_waiting(self, "sends and waits", self.conn.send_wait, self.conn,
      ("w"):rep(any(SIZES)), "binary", moment())
  end },
  { 2, "subscribe", function(self) self.conn:subscribe(any(TOPICS)) end },
  { 1, "subscribe to a pattern", function(self)
    self.conn:subscribe("c/#", { pattern = true })
  end },
  { 1, "unsubscribe", function(self) self.conn:unsubscribe(any(TOPICS)) end },
  { 1, "close", function(self)
    self.conn:close(any { 1000, 1001, 4000 }, any { "", "bye" })
  end },
  { 1, "terminate", function(self) self.conn:terminate() end },
  { 1, "cancel", function(self) self.conn:cancel "for no reason" end },
  { 1, "wait_closed", function(self)
    start_waiting(self, "waits for the end", self.conn.wait_closed, self.conn, moment())
  end },
}

local total = 0
for _, action in ipairs(ACTIONS) do total = total + action[1] end

--- One thing. self: {conn, name, watch, app, serves}; only a server's provides.
function script.act(self)
  local at = random(total)
  for _, action in ipairs(ACTIONS) do
    at = at - action[1]
    if at <= 0 then
      self.watch:count "actions"
      self.watch:count("action " .. action[2])
      return action[3](self)
    end
  end
end

--- Some things, until the connection has ended.
function script.play(self, most)
  for _ = 1, random(most) do
    if self.conn.state == "closed" then return end
    script.act(self)
  end
end

return script
