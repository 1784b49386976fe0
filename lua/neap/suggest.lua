--- "Did you mean": the known name that a misspelt one stands nearest to.

local suggest = {}

-- The number of letters to insert, drop, change or swap with a neighbour.
local function distance(a, b)
  local before, last = {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

--- Returns the candidate nearest to `word`, or nil when none is near.
---@param word string
---@param candidates string[]
---@return string|nil
function suggest.nearest(word, candidates)
  local best, least = nil, math.max(1, #word // 3) + 1
  if #word > 64 then return nil end
  for _, candidate in ipairs(candidates) do
    local d = distance(word, candidate)
    if d < least then best, least = candidate, d end
  end
  return best
end

--- Returns "; did you mean X?" for a near key of a table, else the empty string.
---@param word any
---@param known table<string, any>
---@return string
function suggest.did_you_mean(word, known)
  local names = {}
  for name in pairs(known) do names[#names + 1] = tostring(name) end
  table.sort(names)
  return suggest.hint(word, names)
end

--- Returns "; did you mean X?" for a near candidate, else the empty string.
---@param word any
---@param candidates string[]
---@return string
function suggest.hint(word, candidates)
  local near = type(word) == "string" and suggest.nearest(word, candidates)
  return near and ("; did you mean %s?"):format(near) or ""
end

return suggest
