-- llhttp as an oracle: builds llhttp_oracle.c with the C sources that Debian's
-- node-llhttp installs, and asks it about many heads in one run.

local sources = "/usr/share/llhttp"
local include = "/usr/share/include/llhttp"

local llhttp = {}

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

--- Why there is no oracle, or nil.
---@return string?
function llhttp.missing()
  if not exists(sources .. "/llhttp.c") then
    return "llhttp's C sources (package node-llhttp) are not installed"
  end
  if not os.execute "command -v cc >/dev/null" then return "there is no C compiler" end
end

--- Builds the oracle; returns the path of the program, to be removed.
---@return string program
function llhttp.build()
  local program = os.tmpname()
  local command = {
    "env -u LD_PRELOAD cc -w -DLLHTTP_STRICT_MODE=1 -I", include, "-o", program,
    "spec/support/llhttp_oracle.c", "spec/support/llhttp_record.c",
    sources .. "/llhttp.c", sources .. "/api.c", sources .. "/http.c",
  }
  assert(os.execute(table.concat(command, " ")), "llhttp_oracle.c does not build")
  return program
end

local function read_record(output, at)
  local count, after = (">I4"):unpack(output, at)
  local strings = {}
  for i = 1, count do strings[i], after = (">s4"):unpack(output, after) end
  return count > 0 and strings, after
end

--- For each head the list of method, target, version, name, value, …; false
--- for one that llhttp refuses.
---@param program string
---@param heads string[]
---@return (string[]|false)[]
function llhttp.read(program, heads)
  local input = os.tmpname()
  local file = assert(io.open(input, "wb"))
  for _, head in ipairs(heads) do file:write((">s4"):pack(head)) end
  file:close()
  local pipe = assert(io.popen(("env -u LD_PRELOAD %s <%s"):format(program, input)))
  local output = pipe:read "a"
  local ok = pipe:close()
  os.remove(input)
  assert(ok, "the oracle failed")

  local answers, at = {}, 1
  for i = 1, #heads do answers[i], at = read_record(output, at) end
  return answers
end

return llhttp
