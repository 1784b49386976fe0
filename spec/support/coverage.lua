-- What gcov's JSON says of the lines of the C core.
--
--   lua5.4 spec/support/coverage.lua BUILD_DIRECTORY [DIRECTORY=FLOOR]...
--
-- Prints each layer's share and the files with most lines that never ran; fails
-- when a layer is under its floor (in percent).

local json = require "dkjson"

local MOST = 25 -- files that are named
local build = assert(arg[1], "coverage: which build?")
local floors = {}
for i = 2, #arg do
  local name, floor = arg[i]:match "^(.+)=([%d.]+)$"
  floors[name] = tonumber(floor)
end

-- One line may be in several objects (an inline function of a header): it ran if
-- it ran in any.
local files = {}

local function take(report)
  for _, file in ipairs(report.files) do
    local name = file.file:match "(core/.+)$"
    if name then
      local lines = files[name] or {}
      files[name] = lines
      for _, line in ipairs(file.lines) do
        local n = math.tointeger(line.line_number)
        lines[n] = (lines[n] or 0) + line.count
      end
    end
  end
end

local gcov <close> = assert(io.popen(
  ("find %s -name '*.gcda' -exec gcov --json-format --stdout {} + 2>/dev/null"):format(build)))
for line in gcov:lines() do
  if line:sub(1, 1) == "{" then take(assert(json.decode(line))) end
end

-- "12 14-17": the lines that never ran.
local function ranges(missed)
  local out, from, last = {}, nil, nil
  for i = 1, #missed + 1 do
    if from and missed[i] ~= last + 1 then
      out[#out + 1] = from == last and tostring(from) or from .. "-" .. last
      from = nil
    end
    from, last = from or missed[i], missed[i]
  end
  return table.concat(out, " ")
end

local layers, worst = {}, {}
for name, lines in pairs(files) do
  local layer = layers[name:match "^core/(%w+)/"] or { ran = 0, all = 0 }
  layers[name:match "^core/(%w+)/"] = layer
  local missed = {}
  for n, count in pairs(lines) do
    layer.all = layer.all + 1
    if count > 0 then layer.ran = layer.ran + 1 else missed[#missed + 1] = n end
  end
  table.sort(missed)
  if #missed > 0 then worst[#worst + 1] = { name = name, missed = missed } end
end
table.sort(worst, function(a, b)
  if #a.missed ~= #b.missed then return #a.missed > #b.missed end
  return a.name < b.name
end)

local function share(layer) return 100 * layer.ran / layer.all end

local names, all, is_under = {}, { ran = 0, all = 0 }, false
for name, layer in pairs(layers) do
  names[#names + 1] = name
  all.ran, all.all = all.ran + layer.ran, all.all + layer.all
end
table.sort(names)
layers.core, names[#names + 1] = all, "core"
for _, name in ipairs(names) do
  local floor = floors[name] or 0
  local is_low = share(layers[name]) < floor
  is_under = is_under or is_low
  print(("%-8s%-6s %6.2f %%, %5d of %5d lines (no less than %g %%)"):format(
    is_low and "FAILED" or "ok", name, share(layers[name]), layers[name].ran,
    layers[name].all, floor))
end
for i = 1, math.min(#worst, MOST) do
  print(("        %-28s %3d never ran: %s"):format(worst[i].name, #worst[i].missed,
    ranges(worst[i].missed)))
end
os.exit(not is_under and all.all > 0)
