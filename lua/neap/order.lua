--- Order: which steps of a plan can never run, since something before them
--- answers every request that they could get.

local order = {}

local function split(path)
  local segments = {}
  for segment in path:gmatch("/([^/]*)") do segments[#segments + 1] = segment end
  return segments
end

-- ":" or "*" when a segment stands for many.
local function sigil(segment)
  local first = segment:sub(1, 1)
  return (first == ":" or first == "*") and first or nil
end

-- Says whether every path of `pattern` that lies beneath it is also beneath
-- `wide`, a list of segments that stands before a *rest.
local function is_beneath(segments, wide)
  for i, segment in ipairs(wide) do
    local own = segments[i]
    if not own or sigil(own) == "*" then return false end
    if not sigil(segment) and own ~= segment then return false end
    if sigil(segment) and own == "" then return false end
  end
  return true
end

-- "/a/:x" and "/a/:y" are one pattern.
local function shape_of(pattern)
  return (pattern:gsub("/([:*])[^/]*", "/%1"))
end

-- What a route that ends in *rest, or is terminal by its nature, answers.
local function reach_of(step)
  local route = step.item
  local segments = split(step.prefix)
  local last = segments[#segments]
  if last and sigil(last) == "*" then
    segments[#segments] = nil
    return segments, true
  end
  if not route.terminal then return nil end
  if last == "" then segments[#segments] = nil end
  return segments, false
end

local HEAD_TOO = { GET = { GET = true, HEAD = true } }

local function to_terminal(step)
  local segments, needs_more = reach_of(step)
  if not segments then return nil end
  local route = step.item
  local methods
  if not route.terminal and route.method ~= "*" then
    methods = HEAD_TOO[route.method] or { [route.method] = true }
  end
  return { step = step, segments = segments, needs_more = needs_more, methods = methods }
end

local function describe(terminal)
  local beneath = "/" .. table.concat(terminal.segments, "/")
  local method = terminal.methods and terminal.step.item.method .. " request" or "request"
  return ("answers every %s under %s; move it above that line"):format(method, beneath)
end

-- A function that names no second parameter can't call `next`.
local function is_dead_end(middleware)
  if middleware.calls_next then return false end
  local info = debug.getinfo(middleware.run, "u")
  return info.nparams < 2 and not info.isvararg
end

local function find_dead_end(step)
  local chain = step.room.chain
  for i = 1, step.depth do
    if is_dead_end(chain[i]) then
      return { what = chain[i].label, where = chain[i].name and chain[i].where },
        "takes no next, so it answers every request; write function(req, next)"
    end
  end
end

-- "/a/*rest" leaves "/a" itself to others.
local function is_inside(segments, terminal)
  if not is_beneath(segments, terminal.segments) then return false end
  local depth = #terminal.segments
  return not terminal.needs_more or depth == 0 or #segments > depth
end

local function is_covered(step, segments, terminal)
  if not is_inside(segments, terminal) then return false end
  local methods = terminal.methods
  if not methods or step.kind ~= "route" then return not methods end
  return methods[step.item.method] and shape_of(step.prefix) ~= shape_of(terminal.step.prefix)
end

local function find_terminal(step, terminals)
  local segments = split(step.prefix)
  if step.kind ~= "route" and segments[#segments] == "" then segments[#segments] = nil end
  for _, terminal in ipairs(terminals) do
    if is_covered(step, segments, terminal) then return terminal.step, describe(terminal) end
  end
end

local function find_any(step, anys)
  local any = step.kind == "route" and anys[shape_of(step.prefix)]
  if any then return any, "answers every method there; move it above that line" end
end

local function to_fault(step, before, reason)
  return {
    where = step.where, item = step.item,
    message = ("%s can never run: %s%s %s"):format(step.what, before.what,
      before.where and " (" .. before.where .. ")" or "", reason),
  }
end

local function find_fault(step, known)
  if known.dead[step.room] then return nil, true end
  local before, reason = find_dead_end(step)
  if not before then before, reason = find_terminal(step, known.terminals) end
  if not before then before, reason = find_any(step, known.anys) end
  if before then return to_fault(step, before, reason), true end
end

local function note(step, known)
  if step.kind ~= "route" then return end
  local terminal = to_terminal(step)
  table.insert(known.terminals, terminal)
  if step.item.method == "*" then known.anys[shape_of(step.prefix)] = step end
end

-- Nothing of a mounted app that can't run is worth a line of its own.
local function mark_dead(step, known, plan)
  if step.kind ~= "mount" then return end
  for _, room in ipairs(plan.rooms) do
    if room.mount == step or room.above and known.dead[room.above] then known.dead[room] = true end
  end
end

--- Lists what can never run, in the order of the script.
---@param plan table from plan.make
---@return table[] faults {where, message, item}
function order.find(plan)
  local faults, known = {}, { terminals = {}, anys = {}, dead = {} }
  for _, step in ipairs(plan.steps) do
    local fault, is_dead = find_fault(step, known)
    faults[#faults + 1] = fault
    if is_dead then mark_dead(step, known, plan) else note(step, known) end
  end
  return faults
end

--- Says whether some route answers every request that there can be.
---@param plan table
---@return boolean
function order.is_total(plan)
  for _, step in ipairs(plan.steps) do
    local terminal = step.kind == "route" and to_terminal(step)
    if terminal and not terminal.methods and not terminal.segments[1] then return true end
  end
  return false
end

--- Raises, at the script's line, for the first step that can never run.
---@param plan table
function order.check(plan)
  local first = order.find(plan)[1]
  if first then error(("%s: %s"):format(first.where or "?", first.message), 0) end
end

return order
