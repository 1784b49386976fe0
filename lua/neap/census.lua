--- The census: what was opened and closed, by class, since the start.
--
-- opened = live + closed holds at every moment: the core counts each birth and
-- each death. What lives is also known by the script's line that made it, and
-- a connection by its route.

local core = require "neap.core"
local site = require "neap.site"

local census = {}

local OPTIONS = { collect = "boolean or nil" }

local SITED = {
  "listener", "conn", "socket", "lookup", "timer", "task", "scope", "client", "service",
}

local result_mt = { __index = function(result, class) return rawget(result, "classes")[class] end }

--- Counts. result.classes.conn.live and result.conn.live are the same.
---@param how table|nil {collect = true} runs a full garbage collection first
---@return table result {classes = {conn = {opened, closed, live, peak, bytes, oldest, sites}},
---dropped = messages that slow readers never got, abandoned = what the collector had to close,
---shed = connections refused for want of descriptors, refused = those over a limit, or without
---the PROXY header that was asked for}
function census.take(how)
  if how ~= nil then site.options(how, OPTIONS, "neap.census") end
  if how and how.collect then
    collectgarbage()
    collectgarbage()
  end
  local classes, dropped, abandoned, shed, refused = core.counts(true)
  for _, class in ipairs(SITED) do classes[class].sites = core.born(class) end
  classes.scope.labels = core.born("scope", true)
  return setmetatable({ classes = classes, dropped = dropped, abandoned = abandoned,
    shed = shed, refused = refused }, result_mt)
end

-- A connection that a route serves was made by no line, but by "ws /feed".
local function kind_of(by, name)
  return by == "site" and name:find "^%l+ /" and "route" or by
end

local function compare(grown, class, by, before, after)
  for name, count in pairs(after or {}) do
    local more = count - (before and before[name] or 0)
    if more > 0 then
      grown[#grown + 1] = { class = class, [kind_of(by, name)] = name, more = more }
    end
  end
end

local function origin_of(one)
  return one.site or one.route or one.label
end

local function sum(list, class)
  local total = 0
  for _, one in ipairs(list) do
    if one.class == class and not one.label then total = total + one.more end
  end
  return total
end

local diff_mt = {
  __tostring = function(grown)
    local lines = {}
    for i, one in ipairs(grown) do
      local from = origin_of(one) and (one.label and " labelled " or " from ") .. origin_of(one)
      lines[i] = ("%s +%d%s"):format(one.class, one.more, from or "")
    end
    return table.concat(lines, "\n")
  end,
}

--- Names what lives in `after` and did not in `before`.
---@param before table a census
---@param after table a later one
---@return table[] grown {class, site, route or label, more}; tostring gives a line for each
function census.diff(before, after)
  local grown = {}
  for class, tally in pairs(after.classes) do
    local was = before.classes[class]
    compare(grown, class, "site", was.sites, tally.sites)
    compare(grown, class, "label", was.labels, tally.labels)
    local unknown = tally.live - was.live - sum(grown, class)
    if unknown > 0 then grown[#grown + 1] = { class = class, more = unknown } end
  end
  table.sort(grown, function(a, b)
    if a.class ~= b.class then return a.class < b.class end
    return tostring(origin_of(a)) < tostring(origin_of(b))
  end)
  return setmetatable(grown, diff_mt)
end

return setmetatable(census, { __call = function(_, how) return (census.take(how)) end })
