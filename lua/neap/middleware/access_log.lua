--- neap.middleware.access_log: an entry of the log for each answer.

local args = require "neap.middleware.args"
local core = require "neap.core"
local log = require "neap.log"
local middleware = require "neap.middleware"
local request = require "neap.request"

local LEVELS = { error = true, warn = true, info = true, debug = true }

local OPTIONS = {
  level = { "string", default = "info", check = function(value)
    if LEVELS[value] then return value end
    return nil, "error, warn, info or debug"
  end },
  query = { "boolean", default = false },
  fields = { "function" },
  skip = { "function" },
}

-- The query may hold tokens, so it is written only when asked for.
local function path_of(req, with_query)
  local path, query = request.split_target(req.target)
  return with_query and query ~= "" and path .. "?" .. query or path
end

local function size_of(req, answer)
  if answer.status == 101 or type(answer.body) ~= "string" then return nil end
  return req.method == "HEAD" and 0 or #answer.body
end

local function user_of(req)
  local user = req.ctx.user
  return type(user) == "string" and user or nil
end

local function write(own, req, answer, seconds)
  local fields = {
    method = req.method, path = path_of(req, own.query), remote = req.remote,
    status = answer.status, bytes = size_of(req, answer), user = user_of(req),
    ms = tonumber(("%.1f"):format(seconds * 1000)),
    gone = req:is_closed() or nil,
  }
  for name, value in pairs(own.fields and own.fields(req, answer) or {}) do
    fields[name] = value
  end
  log[own.level]("request", fields)
end

--- Writes "request" with method, path, status, ms, remote, and where they are
--- known bytes, user and id.
---@param given table|nil level, query = true, fields = fn(req, answer), skip = fn(req)
---@return table middleware
return function(given)
  local own = args.read(given, "neap.middleware.access_log", OPTIONS)
  return middleware.make {
    name = "access_log", type = "address",
    run = function(req, next)
      local began = core.now()
      local answer = next(req)
      if not (own.skip and own.skip(req)) then write(own, req, answer, core.now() - began) end
      return answer
    end,
  }
end
