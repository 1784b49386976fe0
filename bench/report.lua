-- The table at the end: a cell for each mode and server, and behind its figure
-- how it compares with that of the first column.

local M = {}

local function rate(figures)
  return figures.msgs_s or figures.conns_s
end

local function cost(mode, figures)
  if mode[2] ~= "byte" then return figures.cpu_us_per end
  return figures.touched_rss_bytes_per_conn or figures.rss_bytes_per_conn
end

local function short(n)
  if n >= 1e6 then return ("%.2fM"):format(n / 1e6) end
  if n >= 1e4 then return ("%.0fk"):format(n / 1e3) end
  return ("%.0f"):format(n)
end

-- by: what is compared, "cost" or "rate".
local function compared(mode, figures, by)
  if by == "rate" then return rate(figures) end
  return cost(mode, figures)
end

local function median(mode, runs, by)
  table.sort(runs, function(a, b) return compared(mode, a, by) < compared(mode, b, by) end)
  return runs[(#runs + 1) // 2]
end

-- runs: the figures of one server; own: those of the first column.
function M.cell(mode, runs, own, by)
  if #runs == 0 then return "-" end
  local figures = median(mode, runs, by)
  local text
  if mode[2] == "byte" then
    text = ("%.0f"):format(cost(mode, figures))
  else
    text = ("%s/s %.2f"):format(short(rate(figures)), cost(mode, figures))
  end
  if own == runs or #own == 0 then return text end
  local ratio = compared(mode, figures, by) / compared(mode, median(mode, own, by), by)
  return ("%s (%.2f)"):format(text, ratio)
end

-- rows: the first names the columns.
function M.print(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i] or 0, #text) end
  end
  for _, row in ipairs(rows) do
    local out = {}
    for i, text in ipairs(row) do
      out[i] = (i == 1 and "%-" or "%") .. widths[i] .. "s"
      out[i] = out[i]:format(text)
    end
    print(table.concat(out, "  "))
  end
end

return M
