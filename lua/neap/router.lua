--- The router: from a path to what was registered for it.
--
-- A static segment beats `:name`, which beats `*rest`. A path picks one leaf;
-- the method is looked up there, so "wrong method" differs from "no such path".

local router = {}

local methods = {}
local mt = { __name = "neap.router", __index = methods }

--- Returns an empty router.
function router.new()
  return setmetatable({
    root = { children = {} },
    statics = {}, -- the leaf of each path without parameters
    leaves = {},
  }, mt)
end

local function split(path)
  local segments = {}
  for segment in path:gmatch("/([^/]*)") do segments[#segments + 1] = segment end
  return segments
end

local function parameter_of(segment)
  return segment:match("^([:*])(.*)$")
end

-- Returns what is wrong with a pattern, or nil.
local function find_fault(pattern, segments)
  if pattern:sub(1, 1) ~= "/" then return "must begin with /" end
  if pattern:find("[%c%s?#]") then return "must not hold spaces, ? or #" end
  local seen = {}
  for i, segment in ipairs(segments) do
    local sigil, name = parameter_of(segment)
    if sigil and not name:find("^[%a_][%w_]*$") then return "needs a name behind " .. sigil end
    if sigil and seen[name] then return "names " .. name .. " twice" end
    if sigil == "*" and i < #segments then return "can have *" .. name .. " at its end only" end
    if sigil then seen[name] = true end
  end
end

local function child_for(node, segment)
  local sigil = parameter_of(segment)
  local slot = sigil == ":" and "param" or sigil == "*" and "rest"
  if slot then
    node[slot] = node[slot] or { children = {} }
    return node[slot]
  end
  node.children[segment] = node.children[segment] or { children = {} }
  return node.children[segment]
end

local function leaf_for(self, pattern, segments)
  local node, names = self.root, {}
  for _, segment in ipairs(segments) do
    local sigil, name = parameter_of(segment)
    if sigil then names[#names + 1] = name end
    node = child_for(node, segment)
  end
  if not node.leaf then
    node.leaf = { pattern = pattern, entries = {} }
    self.leaves[#self.leaves + 1] = node.leaf
    if #names == 0 then self.statics[pattern] = node.leaf end
  end
  return node.leaf, names
end

--- Registers `route` for `method` ("GET", "WS", "*" for any) on `pattern`.
---@param method string
---@param pattern string
---@param route table `route.where` is the line of the script that registers it
---@return table|nil entry {route, names, method}
---@return string|nil message
function methods:add(method, pattern, route)
  local segments = split(pattern)
  local fault = find_fault(pattern, segments)
  if fault then return nil, ("path %s %s"):format(pattern, fault) end
  local leaf, names = leaf_for(self, pattern, segments)
  local earlier = leaf.entries[method]
  if earlier then
    local label = method == "*" and "any" or method:lower()
    return nil, ("%s %s is registered already, at %s"):format(
      label, pattern, earlier.route.where or "another place")
  end
  local entry = { route = route, names = names, method = method }
  leaf.entries[method] = entry
  return entry
end

local function unescape(hex)
  return string.char(tonumber(hex, 16))
end

--- Undoes percent-encoding.
---@param text string
---@return string|nil decoded nil when the encoding is wrong or hides a NUL
function router.decode(text)
  if not text:find("%", 1, true) then return text end
  local bare = text:gsub("%%%x%x", "")
  if bare:find("%", 1, true) or text:find("%00", 1, true) then return nil end
  return (text:gsub("%%(%x%x)", unescape))
end

local function decode_segments(segments)
  for i, segment in ipairs(segments) do
    local decoded = router.decode(segment)
    if not decoded then return nil end
    segments[i] = decoded
  end
  return segments
end

-- Walks the tree with backtracking, so that a static segment which leads
-- nowhere does not hide a parameter beside it.
local function walk(node, segments, i, values, count)
  local segment = segments[i]
  if not segment then return node.leaf, count end
  local child = node.children[segment]
  if child then
    local leaf, n = walk(child, segments, i + 1, values, count)
    if leaf then return leaf, n end
  end
  if node.param and segment ~= "" then
    values[count + 1] = segment
    local leaf, n = walk(node.param, segments, i + 1, values, count + 1)
    if leaf then return leaf, n end
  end
  if node.rest then
    values[count + 1] = table.concat(segments, "/", i)
    return node.rest.leaf, count + 1
  end
end

--- Returns the leaf of `path` and the values of its parameters.
---@param path string the raw path, still percent-encoded
---@return table|nil leaf its `entries` are by method
---@return string[]|string|nil values or "bad" when the path's encoding is wrong
function methods:find(path)
  local leaf = self.statics[path]
  if leaf then return leaf end
  local segments = decode_segments(split(path))
  if not segments then return nil, "bad" end
  local values = {}
  leaf = walk(self.root, segments, 1, values, 0)
  return leaf, values
end

--- Returns `values` by the names that `entry` gave its parameters.
---@param entry table
---@param values string[]|nil
---@return table<string, string>
function router.params(entry, values)
  local params = {}
  for i, name in ipairs(entry.names) do params[name] = values[i] end
  return params
end

--- Returns the methods of `leaf` as an Allow header lists them.
---@param leaf table
---@return string
function router.allow(leaf)
  local entries, names = leaf.entries, {}
  for method in pairs(entries) do
    if method ~= "WS" then names[#names + 1] = method end
  end
  if entries.WS and not entries.GET then names[#names + 1] = "GET" end
  if entries.GET and not entries.HEAD then names[#names + 1] = "HEAD" end
  table.sort(names)
  return table.concat(names, ", ")
end

return router
