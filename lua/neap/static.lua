--- Static files: what lies in a directory, and nothing beside it.
--
-- The kernel keeps a path beneath its directory while it opens it; names are
-- checked here all the same, so that what must not be seen is not looked for.

local condition = require "neap.condition"
local core = require "neap.core"
local log = require "neap.log"
local mime = require "neap.mime"
local response = require "neap.response"
local site = require "neap.site"
local suggest = require "neap.suggest"

local static = {}

-- The parameter of the routes, out of the way of a script's own.
local PARAMETER = "_file"

local OPTIONS = { "cache", "headers", "hidden", "index", "precompressed", "types" }
local KINDS = {
  cache = "string or number", headers = "table", hidden = "boolean", index = "string or boolean",
  precompressed = "boolean", types = "table",
}

local CODINGS = { "br", "gzip" }
local ENDINGS = { br = ".br", gzip = ".gz" }

local function check_options(given)
  for name, value in pairs(given) do
    if not KINDS[name] then
      site.fail("unknown option %s of app:static%s", tostring(name), suggest.hint(name, OPTIONS))
    end
    site.expect(value, KINDS[name], "app:static's " .. name)
  end
end

local function cache_control(cache)
  return type(cache) == "number" and ("public, max-age=%d"):format(cache) or cache
end

local function not_found()
  return response.refuse(404)
end

-- ---- names

-- A segment that begins with a dot is for the machine: .git, .env, .htpasswd.
local function may_be_seen(segment, given)
  if segment == "" or segment == "." or segment == ".." then return false end
  if segment:find "[%z\\/]" then return false end
  return segment:byte() ~= 0x2e or given.hidden or segment == ".well-known"
end

-- Returns the path within the directory and whether it names a directory; nil
-- for one that is not to be looked for. An encoded slash is no slash.
local function read_path(req, given)
  if req.target:find "%%2[fF]" then return nil end
  local path = req.params[PARAMETER] or ""
  local is_directory = path == "" or path:sub(-1) == "/"
  if is_directory then path = path:sub(1, -2) end
  if path == "" then return path, is_directory end
  for segment in (path .. "/"):gmatch "([^/]*)/" do
    if not may_be_seen(segment, given) then return nil end
  end
  return path, is_directory
end

-- ---- files

local function refuse_open(path, message, code)
  if code == "refused" then return not_found() end
  log.error("cannot open a file: " .. message, { path = path })
  return response.refuse(code == "limit" and 503 or 500)
end

-- Opens what was compressed beside the file, if the client takes it.
local function open_compressed(directory, path, req)
  for _, coding in ipairs(condition.codings(req:header "accept-encoding", CODINGS)) do
    local file = core.open_file(directory, path .. ENDINGS[coding])
    if file and file ~= "directory" then return file, coding end
  end
end

local function deliver(answer, req, block)
  return core.answer_file(req, answer.status, block, answer.file, answer.from, answer.length)
end

local function describe(headers, etag, changed)
  headers.ETag, headers["Last-Modified"] = etag, condition.format_date(changed)
  headers["Accept-Ranges"] = "bytes"
  return headers
end

local function whole_or_part(req, file, headers, size, etag, changed)
  local from, length = condition.range(req, size, etag, changed)
  if from == false then
    headers["Content-Range"], headers["Content-Type"] = ("bytes */%d"):format(size), nil
    return response.refuse(416, nil, headers)
  end
  if from then
    headers["Content-Range"] = ("bytes %d-%d/%d"):format(from, from + length - 1, size)
  end
  local answer = response.new(from and 206 or 200, nil, "", headers)
  answer.file, answer.deliver = file, deliver
  answer.from, answer.length = from or 0, length or size
  return answer
end

local function answer_with(req, file, headers)
  core.env(req)._file = file -- closed with the request, whatever becomes of the answer
  local size, changed, fraction = file:stat()
  local etag = ('"%x-%x-%x"'):format(changed, fraction, size)
  describe(headers, etag, changed)
  local status = condition.check(req, etag, changed)
  if status == 412 then return response.refuse(412) end
  if status then
    headers["Content-Type"] = nil
    return response.new(status, nil, "", headers)
  end
  return whole_or_part(req, file, headers, size, etag, changed)
end

local function make_headers(given, path)
  local headers = {}
  for name, value in pairs(given.headers or {}) do headers[name] = value end
  headers["Content-Type"] = mime.type_of(path, given.types)
  headers["X-Content-Type-Options"] = "nosniff"
  headers["Cache-Control"] = cache_control(given.cache)
  return headers
end

local function serve_file(req, directory, path, given)
  local headers = make_headers(given, path)
  if given.precompressed ~= false and mime.shrinks(path, headers["Content-Type"]) then
    headers.Vary = "Accept-Encoding"
    local file, coding = open_compressed(directory, path, req)
    if file then
      headers["Content-Encoding"] = coding
      return answer_with(req, file, headers)
    end
  end
  local file, message, code = core.open_file(directory, path)
  if not file then return refuse_open(path, message, code) end
  if file == "directory" then return nil end
  return answer_with(req, file, headers)
end

-- The directory's own address ends with a slash, or its page's links would lead
-- elsewhere.
local function add_slash(req)
  local path, query = req.target:match "^%a[%w+.-]*://[^/?]*(/[^?]*)(.*)$"
  if not path then path, query = req.target:match "^([^?]*)(.*)$" end
  if path:find "^/[/\\]" then return not_found() end -- to a browser, another host
  return response.new(301, nil, "", { Location = path .. "/" .. query })
end

-- ---- the handler

local function make_handler(directory, given)
  local index = given.index
  if index == nil or index == true then index = "index.html" end
  return function(req)
    local path, is_directory = read_path(req, given)
    if not path then return not_found() end
    if not is_directory then
      return serve_file(req, directory, path, given) or (index and add_slash(req)) or not_found()
    end
    if not index then return not_found() end
    local page = path == "" and index or path .. "/" .. index
    return serve_file(req, directory, page, given) or not_found()
  end
end

--- Returns the routes that serve what lies in `directory` beneath `prefix`.
---@param prefix string
---@param directory string
---@param given table|nil cache (seconds, or a Cache-Control), index ("index.html"), precompressed
---  (true), hidden (false), types (by ending), headers
---@return table[] routes {path, route}
function static.routes(prefix, directory, given)
  site.expect(prefix, "string", "the prefix")
  site.expect(directory, "string", "the directory")
  site.expect(given, "table or nil", "app:static's options")
  given = given or {}
  check_options(given)
  if core.open_file(directory, "") ~= "directory" then
    site.fail("app:static: there is no directory %s", directory)
  end
  local base, handler = prefix:gsub("/+$", ""), make_handler(directory, given)
  local routes = {
    { path = base .. "/*" .. PARAMETER,
      route = { handler = handler, terminal = true, prefix = prefix, verb = "static",
        static = directory, shows_hidden = given.hidden } },
  }
  if base ~= "" then
    table.insert(routes, 1, { path = base, route = { handler = add_slash, prefix = prefix } })
  end
  return routes
end

return static
