-- The close matrix as Markdown, in a marked part of a page.

local matrix_table = {}


local function cell_text(expected)
  if #expected == 1 then return expected[1] end
  local cause, by, code, clean = table.unpack(expected)
  return ("%s · %s · %d%s"):format(cause, by, code, clean and " · clean" or "")
end

local function add_note(notes, reason)
  for i, note in ipairs(notes) do
    if note == reason then return i end
  end
  notes[#notes + 1] = reason
  return #notes
end

-- Returns the table, and what its notes say.
local function lay_out(matrix)
  local notes, lines, head, rule = {}, {}, { "cause" }, { "---" }
  for _, state in ipairs(matrix.states) do
    head[#head + 1], rule[#rule + 1] = state.name, "---"
  end
  for _, cause in ipairs(matrix.causes) do
    local row = { cause.name }
    for _, state in ipairs(matrix.states) do
      local expected, reason = matrix.expect(state, cause)
      row[#row + 1] = expected and cell_text(expected)
        or ("– (%d)"):format(add_note(notes, reason))
    end
    lines[#lines + 1] = row
  end
  table.insert(lines, 1, rule)
  table.insert(lines, 1, head)
  for i, row in ipairs(lines) do lines[i] = "| " .. table.concat(row, " | ") .. " |" end
  for i, note in ipairs(notes) do notes[i] = ("(%d) %s."):format(i, note) end
  return table.concat(lines, "\n") .. "\n\n" .. table.concat(notes, "\n\n") .. "\n"
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

--- Raises unless the page holds the table of that name as it is; writes it with
--- NEAP_WRITE=1.
function matrix_table.check(matrix, path, name)
  local page, text = read(path), lay_out(matrix)
  local _, start = page:find(("<!-- %s -->\n"):format(name), 1, true)
  assert(start, path .. " has no place for the table")
  local before, rest = page:sub(1, start), page:sub(start + 1)
  local stop = rest:find(("<!-- end of %s -->"):format(name), 1, true)
  if os.getenv "NEAP_WRITE" then
    local file <close> = assert(io.open(path, "w"))
    file:write(before, text, rest:sub(stop))
  else
    assert(rest:sub(1, stop - 1) == text, path .. " is out of date: run this with NEAP_WRITE=1")
  end
end

return matrix_table
