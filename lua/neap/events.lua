--- Server-sent events: what a client without WebSocket can follow.
--
-- The request's scope is the stream's, so what it owns ends with it: when the
-- function returns, when the client goes, when the server drains.

local core = require "neap.core"
local json = require "neap.json"
local response = require "neap.response"
local scope = require "neap.scope"
local site = require "neap.site"
local stream = require "neap.stream"
local suggest = require "neap.suggest"
local wait = require "neap.wait"

local events = {}

local methods = {}
local mt = { __name = "neap.events", __index = methods }

response.add_kind(mt)
scope.install(methods, function(self) return self.req.scope end)

local HEADERS = {
  ["Content-Type"] = "text/event-stream",
  ["Cache-Control"] = "no-store",
  ["X-Accel-Buffering"] = "no", -- nginx would gather them
}

local open = setmetatable({}, { __mode = "k" })

local function ping_seconds(env)
  local settled = env._options
  return settled and settled["timeouts.ping"] or 0
end

-- A comment that nobody reads: proxies keep what is alive, and a client that
-- is gone is noticed.
local function ping(self)
  core.push_answer(self.req, ":\n\n")
end

local function begin(self, block)
  if self.is_begun then return stream.begin(self) end
  local ok, message, code = stream.begin(self, block)
  if not ok then return nil, message, code end
  open[self] = true
  local seconds = ping_seconds(core.env(self.req))
  if seconds > 0 then self.req:every(seconds, function() ping(self) end) end
  return true
end

--- Makes the answer of a request that follows events.
---@param req userdata
---@param run fun(events)|nil sends them; its return ends the answer
---@return table events
function events.new(req, run)
  site.expect(run, "function or nil", "req:events' argument")
  local headers = {}
  for name, value in pairs(HEADERS) do headers[name] = value end
  local self = setmetatable(stream.new(req, 200, nil, headers, run), mt)
  self.is_watched, self.last_id = true, req:header "last-event-id"
  return self
end

local PARTS = { "event", "data", "id", "retry" }

local function check_line(value, name)
  site.expect(value, "string", "an event's " .. name)
  if value:find "[\r\n%z]" then site.fail("an event's %s must be one line", name) end
  return value
end

local function format_data(data)
  local text = type(data) == "string" and data or json.encode(data)
  text = text:gsub("\r\n?", "\n")
  return "data: " .. text:gsub("\n", "\ndata: ") .. "\n"
end

local function format(given)
  local lines = {}
  for name in pairs(given) do
    if not (name == "event" or name == "data" or name == "id" or name == "retry") then
      site.fail("unknown part %s of an event%s", tostring(name), suggest.hint(name, PARTS))
    end
  end
  if given.event then lines[#lines + 1] = "event: " .. check_line(given.event, "name") .. "\n" end
  if given.id then lines[#lines + 1] = "id: " .. check_line(given.id, "id") .. "\n" end
  if given.retry then
    site.expect(given.retry, "number", "an event's retry")
    lines[#lines + 1] = ("retry: %d\n"):format(given.retry * 1000 // 1)
  end
  if given.data ~= nil then lines[#lines + 1] = format_data(given.data) end
  return table.concat(lines) .. "\n"
end

--- Sends one event; never waits. A client that reads too slowly, so that over
--- limits.queue would wait for it, is cut off: it comes back and says where it was.
---@param given string|table its data; or {event =, data =, id =, retry = seconds}. Data that is
---  no string becomes JSON.
---@return true|nil sent, or nil, message, code
---@return string|nil message "queued" when the client has not taken what was sent before
---@return string|nil code "overflow", "too_big" or "closed"
function methods:send(given)
  site.expect(given, "string or table", "events:send's argument")
  local text = format(type(given) == "string" and { data = given } or given)
  local ok, message, code = begin(self)
  if not ok then return nil, message, code end
  ok, message, code = core.push_answer(self.req, text)
  if code == "overflow" then
    stream.cut(self)
    self:cancel "overflow"
  end
  return ok, message, code
end

--- Waits until the client has gone, or the stream has ended.
---@param seconds number|nil
---@return true|nil ended, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:wait_closed(seconds)
  local begun = begin(self)
  if not begun or self.is_over or self.req:is_closed() then return true end
  self.closers = self.closers or wait.place()
  local ended, message, code = self.closers:wait(seconds)
  return ended, message, code
end

local function wake(self)
  open[self] = nil
  if self.closers then self.closers:wake_all(true) end
end

--- Ends the stream.
---@return true|nil ok, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:close()
  local ok, message, code = begin(self)
  self.is_over = true
  if ok then ok, message, code = core.end_answer(self.req) end
  wake(self)
  return ok, message, code
end

--- What the pipeline does with it at its end.
function methods:deliver(req, block)
  if self.is_broken then return stream.cut(self) end
  local ok, message, code = begin(self, block)
  if ok and self.run and req.method ~= "HEAD" then self:run() end
  if self.is_over then return ok, message, code end
  return methods.close(self)
end

function mt.__close(self) methods.close(self) end

function mt:__tostring()
  return "neap.events" .. (self.is_over and " (closed)" or "")
end

--- The client of a request has gone.
---@param req userdata
function events.gone(req)
  local self = core.env(req)._stream
  if getmetatable(self) ~= mt then return end
  self.is_over = true
  wake(self)
end

--- Ends all that are open: the server drains.
function events.end_all()
  for self in pairs(open) do
    methods.close(self)
    self:cancel "drain"
  end
end

return events
