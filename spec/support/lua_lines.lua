-- Which lines of lua/neap ran, in this process and in those that it starts.
--
--   NEAP_LINES=FILE LUA_INIT=@spec/support/lua_lines.lua lua5.4 spec/support/busted.lua …
--   lua5.4 spec/support/lua_lines.lua FILE        says what never ran
--
-- Runs add to the file. Whoever is killed, and workers beside the first, add nothing.

local is_report = arg and arg[0]:find "lua_lines%.lua$"
local path = is_report and arg[1] or os.getenv "NEAP_LINES"
local NAMED = 20 -- files

local function write_down(ran)
  debug.sethook()
  local file <close> = assert(io.open(path, "a"))
  for source, lines in pairs(ran) do
    local name = source:match "lua/(neap/.+%.lua)$"
    for line in pairs(name and lines or {}) do file:write(name, " ", line, "\n") end
  end
end

local function watch()
  local ran = {} -- source -> line -> true
  local function note(_, line)
    local source = debug.getinfo(2, "S").source
    local lines = ran[source]
    if not lines then
      lines = {}
      ran[source] = lines
    end
    lines[line] = true
  end
  local function start() debug.sethook(note, "l") end
  local load, is_wrapped = require, false
  function require(name) -- luacheck: ignore
    local module = load(name)
    if name == "neap.core" and not is_wrapped then
      is_wrapped = true
      dofile "spec/support/everywhere.lua"(module, start)
    end
    return module
  end
  local at_end = setmetatable({}, { __gc = function() write_down(ran) end })
  debug.getregistry()[at_end] = true
  start()
end

local function read_ran()
  local ran = {}
  for line in io.lines(path) do ran[line] = true end
  return ran
end

-- The lines that have instructions, by name; those that only end something have
-- none of their own.
local function each_line(name, fn)
  local listing <close> = assert(io.popen("luac5.4 -p -l lua/" .. name))
  local seen = {}
  for text in listing:lines() do
    local line, operation = text:match "^\t%d+\t%[(%d+)%]\t(%u+)"
    local is_own = line and operation ~= "VARARGPREP" and not operation:find "^RETURN"
      and operation ~= "CLOSE"
    if is_own and not seen[line] then
      seen[line] = true
      fn(tonumber(line))
    end
  end
end

local function report()
  local ran, all, hit, files = read_ran(), 0, 0, {}
  for name in io.popen("cd lua && find neap -name '*.lua' | sort"):lines() do
    local missed = {}
    each_line(name, function(line)
      all = all + 1
      if ran[name .. " " .. line] then hit = hit + 1 else missed[#missed + 1] = line end
    end)
    files[#files + 1] = { name = name, missed = missed }
  end
  table.sort(files, function(a, b) return #a.missed > #b.missed end)
  print(("lua/neap %.2f %%, %d of %d lines"):format(100 * hit / all, hit, all))
  for i = 1, NAMED do
    print(("        %-28s %3d never ran: %s"):format(files[i].name, #files[i].missed,
      table.concat(files[i].missed, " ")))
  end
end

if is_report then report() elseif path then watch() end
