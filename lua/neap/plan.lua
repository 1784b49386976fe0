--- The plan: an app, and the apps mounted in it, as one list of steps in the
--- order of registration.
--
-- A mounted app is a room of its own: its middleware runs for its routes, and
-- for what is asked beneath its prefix in vain, behind the middleware that
-- stood before the mount. Its options lie over those of the app above it.

local options = require "neap.options"
local router = require "neap.router"

local plan = {}

local methods = {}
local mt = { __index = methods }

--- Puts a path behind a prefix.
---@param prefix string "" or "/api"
---@param path string "/users"
---@return string
function plan.join(prefix, path)
  if path == "/" and prefix ~= "" then return prefix end
  return prefix .. path
end

local function fail(where, message, ...)
  error(("%s: %s"):format(where or "?", message:format(...)), 0)
end

local function refuse_hosts(app, room)
  if room.prefix == "" or not app.options.hosts then return end
  fail(app.where, "option hosts belongs to the app that listens, not to the one mounted at %s",
    room.prefix)
end

local function new_room(self, app, prefix, above, step)
  local room = {
    app = app, prefix = prefix, above = above, mount = step,
    chain = above and table.move(above.chain, 1, #above.chain, 1, {}) or {},
    options = options.merge(above and above.options or options.defaults(), app.options),
  }
  refuse_hosts(app, room)
  self.rooms[#self.rooms + 1] = room
  return room
end

local add = {}

function add.middleware(_, item, room)
  item.room = room
  room.chain[#room.chain + 1] = item
  return { what = item.label, prefix = room.prefix, depth = #room.chain - 1 }
end

-- "/" of a mounted app is the prefix itself, with and without a slash behind.
local function place(self, route, path)
  local entry, message = self.router:add(route.method, path, route)
  if not entry then fail(route.where, "%s", message) end
  if path ~= "/" and route.path == "/" then self.router:add(route.method, path .. "/", route) end
end

function add.route(self, item, room)
  local path = plan.join(room.prefix, item.path)
  item.room, item.depth, item.full_path = room, #room.chain, path
  item.shown = item.terminal and item.prefix and plan.join(room.prefix, item.prefix) or path
  item.label = (item.verb or item.method:lower()) .. " " .. item.shown
  place(self, item, path)
  self.routes[#self.routes + 1] = item
  return { what = item.label, prefix = path, depth = item.depth }
end

local walk

function add.mount(self, item, room)
  local prefix = room.prefix .. (item.prefix == "/" and "" or item.prefix)
  local step = { what = "mount " .. prefix, prefix = prefix, depth = #room.chain }
  self:push(step, item, room)
  walk(self, new_room(self, item.app, prefix, room, step))
end

function methods:push(step, item, room)
  step.item, step.room, step.kind, step.where = item, room, item.kind, item.where
  self.steps[#self.steps + 1] = step
end

function walk(self, room)
  for _, item in ipairs(room.app.items) do
    local step = add[item.kind](self, item, room)
    if step then self:push(step, item, room) end
  end
end

--- Lays out an app; raises, naming the script's lines, when two routes clash.
---@param app table
---@param over table<string, any>|nil options of the command, which go before an app's
---@return table plan {steps, rooms, routes, router}
function plan.make(app, over)
  local self = setmetatable({
    steps = {}, rooms = {}, routes = {}, router = router.new(),
  }, mt)
  walk(self, new_room(self, app, ""))
  for _, room in ipairs(self.rooms) do room.options = options.merge(room.options, over or {}) end
  return self
end

local function split(path)
  local segments = {}
  for segment in path:gmatch("/([^/]*)") do segments[#segments + 1] = segment end
  return segments
end

local function is_beneath(path, prefix)
  for i, segment in ipairs(prefix) do
    local own = path[i]
    if not own or segment:sub(1, 1) ~= ":" and router.decode(own) ~= segment then return false end
  end
  return true
end

-- The rooms whose prefix `path` lies beneath, by number.
local function rooms_of(self, path)
  local segments, set, key = split(path), {}, {}
  for i, room in ipairs(self.rooms) do
    room.segments = room.segments or split(room.prefix)
    if is_beneath(segments, room.segments) then
      set[room], key[#key + 1] = true, i
    end
  end
  return set, table.concat(key, ",")
end

local function is_in_force(step, set)
  return step.kind == "middleware" and set[step.room]
end

--- Returns the middleware that sees a request for a path without any route.
---@param path string
---@return table[] chain
---@return string key the same for the same chain
function methods:chain_for(path)
  local set, key = rooms_of(self, path)
  local chain = {}
  for _, step in ipairs(self.steps) do
    if is_in_force(step, set) then chain[#chain + 1] = step.item end
  end
  return chain, key
end

return plan
