--- `neap check`: the pipeline as it will run, what is wrong with it, and what
--- is risky.

local order = require "neap.order"
local provide = require "neap.provide"
local risk = require "neap.risk"
local size = require "neap.size"

local check = {}

local WIDEST = 44

-- ---- words for what a route is

local function amount(bytes)
  return bytes == 0 and "none" or size.format(bytes)
end

local function seconds(value)
  return value == 0 and "never" or ("%gs"):format(value)
end

local function show_origins(rule)
  if type(rule) == "string" then return rule end
  local names = {}
  for i, entry in ipairs(rule) do names[i] = entry.text end
  return names[1] and table.concat(names, ", ") or "none"
end

local CALLBACKS = { "accept", "open", "message", "writable", "draining", "close", "error" }

local function callbacks_of(route)
  local names = {}
  for _, name in ipairs(CALLBACKS) do
    if route[name] then names[#names + 1] = name end
  end
  return names
end

-- Where a handler is written, when that is another file than the route's.
local function written_at(fn, where)
  local info = type(fn) == "function" and debug.getinfo(fn, "S")
  if not info or info.what == "C" then return "" end
  local file = (where or ""):match("^(.*):%d+$")
  if info.short_src == file then return "" end
  return (" in %s:%d"):format(info.short_src, info.linedefined)
end

local function describe_end(route)
  if route.static then return "files of " .. route.static end
  if route.handler then return "handler" .. written_at(route.handler, route.where) end
  local names = callbacks_of(route)
  local beside = names[1] and " with " .. table.concat(names, ", ") or ""
  if route.task then return "task" .. beside .. written_at(route.task, route.where) end
  return names[1] and table.concat(names, ", ") or "no callbacks"
end

local function ws_properties(route, flat)
  return {
    { "origins", show_origins(flat.origins) },
    { "protocols", route.protocols and table.concat(route.protocols, ", ") or "none" },
    { "limits", ("message %s, queue %s (full: %s)"):format(amount(flat["limits.message"]),
      amount(flat["limits.queue"]), flat.overflow) },
    { "timeouts", ("ping %s, pong %s, idle %s, write %s, close %s"):format(
      seconds(flat["timeouts.ping"]), seconds(flat["timeouts.pong"]),
      seconds(flat["timeouts.idle"]), seconds(flat["timeouts.write"]),
      seconds(flat["timeouts.close"])) },
  }
end

local function properties(route)
  if route.static then return {} end
  local flat = risk.options_of(route)
  if route.method == "WS" then return ws_properties(route, flat) end
  return { { "limits", "body " .. amount(flat["limits.body"]) } }
end

-- ---- the tables

local function middleware_rows(chain, count)
  local rows = {}
  for i = 1, count do
    rows[i] = { chain[i].name or "middleware", chain[i].where or "?" }
  end
  return rows
end

local function to_block(route, dead)
  local rows = middleware_rows(route.room.chain, route.depth)
  rows[#rows + 1] = { describe_end(route), route.where or "?" }
  local path = route.shown
  local verb, mark = route.verb or route.method:lower(), dead[route] and "   (never runs)" or ""
  return { head = { verb, path .. mark }, rows = rows, properties = properties(route), path = path }
end

-- All but those that lead to a directory's files.
local function shown_routes(plan)
  local routes = {}
  for _, route in ipairs(plan.routes) do
    if route.terminal or not route.prefix then routes[#routes + 1] = route end
  end
  return routes
end

-- Routes of one path stand together, in the order of the first of them.
local function blocks_of(plan, dead)
  local at_path, paths = {}, {}
  for _, route in ipairs(shown_routes(plan)) do
    local block = to_block(route, dead)
    if not at_path[block.path] then
      at_path[block.path] = {}
      paths[#paths + 1] = block.path
    end
    table.insert(at_path[block.path], block)
  end
  local blocks = {}
  for _, path in ipairs(paths) do
    table.move(at_path[path], 1, #at_path[path], #blocks + 1, blocks)
  end
  return blocks
end

local function block_of_404(plan)
  local root = plan.rooms[1].chain
  local rows = middleware_rows(root, #root)
  rows[#rows + 1] = { "404 Not Found", "" }
  return { head = { "any", "other path" }, rows = rows, properties = {} }
end

local function widest(blocks)
  local width = 0
  for _, block in ipairs(blocks) do
    for _, row in ipairs(block.rows) do width = math.max(width, #row[1]) end
  end
  return math.min(width, WIDEST)
end

local function print_block(write, block, width)
  write(("\n%-6s %s\n"):format(block.head[1], block.head[2]))
  for i, row in ipairs(block.rows) do
    local line = ("  %2d  %s%s  %s"):format(i, row[1], (" "):rep(width - #row[1]), row[2])
    write((line:gsub("%s+$", "")), "\n")
  end
  for _, each in ipairs(block.properties) do
    write(("      %-9s  %s\n"):format(each[1], each[2]))
  end
end

local function plural(count, one, many)
  return ("%d %s"):format(count, count == 1 and one or many)
end

local function print_summary(write, script, plan)
  local middleware, mounts = 0, #plan.rooms - 1
  for _, room in ipairs(plan.rooms) do
    for _, item in ipairs(room.app.items) do
      if item.kind == "middleware" then middleware = middleware + 1 end
    end
  end
  write(("%s: %s, %d middleware%s\n"):format(script, plural(#shown_routes(plan), "route", "routes"),
    middleware, mounts > 0 and ", " .. plural(mounts, "mounted app", "mounted apps") or ""))
end

local function print_list(write, title, list)
  if not list[1] then return end
  write("\n", title, "\n")
  for _, each in ipairs(list) do
    write("  ", each.where and each.where .. ": " or "", each.message, "\n")
  end
end

local function verdict(wrong, risks)
  if wrong > 0 then return plural(wrong, "thing is", "things are") .. " wrong" end
  if risks > 0 then return "nothing is wrong; " .. plural(risks, "risk", "risks") end
  return "fine"
end

local function print_app(write, flat)
  write(("      %-9s  connections %d, per_ip %s, header %s\n"):format("limits",
    flat["limits.connections"], flat["limits.per_ip"] > 0 and flat["limits.per_ip"] or "none",
    amount(flat["limits.header"])))
  write(("      %-9s  handshake %s, drain %s\n"):format("timeouts",
    seconds(flat["timeouts.handshake"]), seconds(flat["timeouts.drain"])))
end

-- Values in the order of their declaration, then services in that of their start.
local function provided_by(registry, into)
  for _, one in ipairs(registry.list) do
    if one.kind ~= "service" then into[#into + 1] = one end
  end
  for _, one in ipairs(registry.services) do into[#into + 1] = one end
  for _, other in ipairs(registry.mounted) do provided_by(other, into) end
  return into
end

local function print_provided(write, registry)
  local list, width = provided_by(registry, {}), 0
  for _, one in ipairs(list) do width = math.max(width, #one.name) end
  if list[1] then write("\nprovides\n") end
  for _, one in ipairs(list) do
    write(("      %-9s  %s%s  %s\n"):format(one.kind, one.name, (" "):rep(width - #one.name),
      one.where))
  end
end

-- What the app provides is checked as a whole: its first fault is the one there is.
local function find_faults(app, plan)
  local faults = order.find(plan)
  local ok, message = pcall(provide.check, app.scope.provides)
  if not ok then table.insert(faults, { item = app, message = message }) end
  return faults
end

local function dead_of(faults)
  local dead = {}
  for _, fault in ipairs(faults) do dead[fault.item] = true end
  return dead
end

local function print_plan(write, script, plan, faults)
  local blocks = blocks_of(plan, dead_of(faults))
  if not order.is_total(plan) then blocks[#blocks + 1] = block_of_404(plan) end
  local width = widest(blocks)
  print_summary(write, script, plan)
  print_app(write, plan.rooms[1].options)
  print_provided(write, plan.rooms[1].app.scope.provides)
  for _, block in ipairs(blocks) do print_block(write, block, width) end
end

--- Prints what an app will do, and what is wrong or risky with it.
---@param app table
---@param how table script, listen = list of URLs, write(...)
---@return integer status 1 when something is wrong
function check.run(app, how)
  local write, lay_out = how.write, require("neap.app").lay_out
  local ok, plan = pcall(lay_out, app)
  if not ok then
    write(how.script, ": the pipeline can't be laid out\n")
    print_list(write, "wrong", { { message = tostring(plan) } })
    write("\n", verdict(1, 0), "\n")
    return 1
  end
  local faults, risks = find_faults(app, plan), risk.find(plan, how)
  print_plan(write, how.script, plan, faults)
  print_list(write, "wrong", faults)
  print_list(write, "risky", risks)
  write("\n", verdict(#faults, #risks), "\n")
  return faults[1] and 1 or 0
end

return check
