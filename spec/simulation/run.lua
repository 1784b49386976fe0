-- run.lua FIRST [LAST] [--trace | --counts]: plays the seeds; one line says how it
-- went. A seed that fails prints what did not hold, and the command that plays it
-- again. Every tenth is played twice, and must leave the same trace. --counts says
-- how often each action, cut and cause of an end came.

package.path = "./lua/?.lua;./lua/?/init.lua;./?.lua;" .. package.path
package.cpath = ("./%s/?.so;"):format(os.getenv "NEAP_BUILD" or "build") .. package.cpath

local play = require "spec.simulation.play"

local first, last = tonumber(arg[1]), tonumber(arg[2]) or tonumber(arg[1])
local is_traced, is_counted = arg[#arg] == "--trace", arg[#arg] == "--counts"
local AGAIN = 10

local function report(seed, faults)
  print(("FAILED  seed %d; again: lua5.4 spec/simulation/run.lua %d --trace"):format(seed, seed))
  for i = 1, math.min(#faults, 10) do print("        " .. faults[i]) end
end

local function first_difference(one, other)
  for i, line in ipairs(one) do
    if other[i] ~= line then
      return ("line %d: %s | %s"):format(i, line, tostring(other[i]))
    end
  end
  return "the second is longer"
end

local function check_again(seed, watch)
  local again = play(seed)
  if again:hash() ~= watch:hash() then
    watch:fault("played again it differs in %s", first_difference(watch.lines, again.lines))
  end
end

local sums, failed = {}, 0
for seed = first, last do
  local watch = play(seed)
  if seed % AGAIN == 0 then check_again(seed, watch) end
  for what, count in pairs(watch.counts) do sums[what] = (sums[what] or 0) + count end
  if is_traced then print(table.concat(watch.lines, "\n")) end
  if is_traced or first == last then print("trace " .. watch:hash()) end
  if #watch.faults > 0 then
    failed = failed + 1
    report(seed, watch.faults)
  end
end
local function print_counts()
  local names = {}
  for what in pairs(sums) do names[#names + 1] = what end
  table.sort(names)
  for _, what in ipairs(names) do print(("count   %8d %s"):format(sums[what], what)) end
end

if is_counted then print_counts() end
if failed == 0 then
  print(("ok      seeds %d to %d: %d connections, %d actions, %d waits, %d cuts, %d shortages")
    :format(first, last, sums.connections or 0, sums.actions or 0, sums.waits or 0,
      sums.cuts or 0, sums.shortages or 0))
end
os.exit(failed == 0, true)
