--- Tags: fields that the entries of the log get while a request, or the
--- connection that became of it, is at work.

local core = require "neap.core"
local log = require "neap.log"

local tag = {}

-- The fields of what a task belongs to: a request, a connection, or a scope
-- somewhere below one of these.
local function fields_of(owner)
  if core.is_conn(owner) then
    local life = core.life(owner)
    return life and life.tags
  end
  if type(owner) == "userdata" then return rawget(core.env(owner), "_tags") end
  local at = owner.scope or owner.of
  while at and not at.tags do at = at.parent end
  return at and at.tags
end

local function find()
  local owner = core.owner()
  return owner ~= nil and fields_of(owner) or nil
end

--- Adds fields to the entries of a request, and of what it becomes.
---@param req userdata
---@param fields table<string, any>
function tag.add(req, fields)
  local env = core.env(req)
  local tags = rawget(env, "_tags") or {}
  for name, value in pairs(fields) do tags[name] = value end
  rawset(env, "_tags", tags)
  local own = rawget(env, "scope")
  if own then own.tags = tags end
  log.find_fields(find)
end

--- Gives the fields of a request to the connection that it became.
---@param req userdata
---@param conn userdata
function tag.pass(req, conn)
  local tags = rawget(core.env(req), "_tags")
  if tags then core.life(conn, true).tags = tags end
end

--- Adds a connection's fields to those of an entry that no task of it writes.
---@param conn userdata
---@param fields table<string, any>
---@return table<string, any> fields
function tag.put(conn, fields)
  local life = core.life(conn)
  for name, value in pairs(life and life.tags or {}) do fields[name] = value end
  return fields
end

return tag
