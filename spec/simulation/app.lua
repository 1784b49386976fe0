-- The app of a run: handlers as tasks and as callbacks, values, a service.

local neap = require "neap"
local script = require "spec.simulation.script"

local random = math.random

local function any(list) return list[random(#list)] end

local function options()
  return {
    limits = { message = "64K", queue = any { "4K", "64K", "1M" } },
    timeouts = {
      handshake = 5, ping = any { 2, 20 }, pong = 3, idle = any { 0, 0, 10 }, write = any { 2, 10 },
      close = 2, cancel = 0.5, drain = 5,
    },
    overflow = any { "close", "drop_new", "drop_old", "latest", "wait" },
    deflate = any { false, {}, { takeover = true, min = 1 } },
  }
end

local names = 0
local function name_of(kind)
  names = names + 1
  return kind .. names
end

-- ---- values: each is disposed of once, before those that it was made of

local function provide(app, watch, name, lifetime, needs)
  app:provide(name, {
    lifetime = lifetime, needs = needs,
    make = function(_, part)
      if random(4) == 1 then
        watch:wait(name .. " is being made", neap.sleep, random(0, 500) / 1000)
      end
      if random(10) == 1 then return nil, "none today", "refused" end
      local value = { name = name, part = part, users = 0 }
      if part then
        if part.is_dead then watch:fault("%s is made of what is gone", name) end
        part.users = part.users + 1
      end
      value.dispose = watch:once(name .. " is disposed of")
      return value
    end,
    dispose = function(value)
      if value.users > 0 then watch:fault("%s goes while it is in use", name) end
      value.is_dead = true
      if value.part then value.part.users = value.part.users - 1 end
      value.dispose()
    end,
  })
end

-- ---- handlers

local function actor(watch, app, conn, kind)
  return { conn = conn, name = name_of(kind), watch = watch, app = app, serves = true }
end

local function add_task(app, watch)
  app:ws("/task", function(conn)
    local self = actor(watch, app, conn, "task")
    conn:defer(watch:once(self.name .. " has ended"))
    conn:defer(function(why) watch:count("cause " .. why.cause) end)
    script.play(self, 12)
  end)
end

local function add_callbacks(app, watch)
  local told = setmetatable({}, { __mode = "k" })
  app:ws("/calls", {
    accept = function(req)
      if random(3) == 1 then watch:wait("accepting", neap.sleep, random(0, 2000) / 1000) end
      if random(10) == 1 then return req:reject(403, "no") end
      return actor(watch, app, nil, "calls")
    end,
    open = function(conn)
      local self = conn.data
      self.conn = conn
      watch:note("%s opens", self.name)
      told[self] = watch:once(self.name .. " has closed")
      script.play(self, 3)
    end,
    message = function(conn, data)
      local self = conn.data
      if self.is_busy then watch:fault("%s is called twice at a time", self.name) end
      self.is_busy = true
      local _ <close> = setmetatable({}, { __close = function() self.is_busy = false end })
      watch:note("%s hears %d bytes", self.name, #data)
      script.play(self, 2)
      return random(2) == 1 and data or nil
    end,
    close = function(conn, why)
      local self = conn.data
      watch:note("%s closed by %s: %s %d", self.name, why.by, why.cause, why.code)
      watch:count("cause " .. why.cause)
      if self.is_busy then watch:fault("%s closes beside a message", self.name) end
      if told[self] then told[self]() end
    end,
    error = function(conn) watch:note("%s has failed", conn.data.name) end,
  })
end

local function add_echo(app)
  app:ws("/echo", { overflow = "close", message = function(_, data) return data end })
end

local function add_service(app, watch)
  local ended
  app:service {
    name = "ticker",
    start = function(scope)
      ended = watch:once "the service has stopped"
      scope:every(1, function() app:publish("a", "tick") end)
    end,
    stop = function() -- may be cut short, where it waits
      ended()
      if random(3) == 1 then watch:wait("stopping", neap.sleep, random(0, 1000) / 1000) end
    end,
  }
end

return function(watch)
  names = 0
  local app = neap.app(options())
  provide(app, watch, "config", "singleton")
  provide(app, watch, "db", "scoped", { "config" })
  provide(app, watch, "thing", "transient", { "db" })
  app:use("sometimes", function(req, next)
    if random(20) == 1 then return req:reject(503, "busy") end
    return next(req)
  end)
  add_task(app, watch)
  add_callbacks(app, watch)
  add_echo(app)
  add_service(app, watch)
  return app
end
