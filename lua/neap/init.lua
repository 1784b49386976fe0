--- neap: WebSocket server for Lua, in which everything belongs to a scope.
--
-- Each part is loaded when it is first named.

local LOAD = {
  app = function() return require("neap.app").new end,
  connect = function() return require("neap.connect").open end,
  client = function() return require("neap.client").new end,
  fleet = function() return require("neap.fleet").new end,
  run = function() return require("neap.task").run end,
  spawn = function() return require("neap.task").spawn end,
  sleep = function() return require("neap.task").sleep end,
  scope = function() return require("neap.scope").new end,
  channel = function() return require("neap.channel").new end,
  lock = function() return require("neap.lock").new end,
  pool = function() return require("neap.pool").new end,
  now = function() return require("neap.core").now end,
  timer = function() return require("neap.timer").new end,
  log = function() return require "neap.logger" end,
  codec = function() return require "neap.codec" end,
  tls = function() return { self_signed = require("neap.self_signed").make } end,
  version = function() return require("neap.core").version end,
  worker = function() return require "neap.worker" end,
  get = function() return require("neap.remote").get end,
  test = function() return require "neap.test" end,
  middleware = function() return require "neap.middleware" end,
  census = function() return require "neap.census" end,
  audit = function() return require("neap.audit").run end,
}

return setmetatable({}, {
  __name = "neap",
  __index = function(neap, name)
    local load_part = LOAD[name]
    if not load_part then return nil end
    local part = load_part()
    rawset(neap, name, part)
    return part
  end,
})
