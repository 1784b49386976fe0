--- The database: a pool for the app's life, and a connection for each request.
local neap = require "neap"
local sqlite = require "luasql.sqlite3"

local database = {}

local SCHEMA = {
  "pragma journal_mode = wal",
  [[create table if not exists sessions (
    token text primary key, name text not null, ends integer not null)]],
  [[create table if not exists notes (
    id integer primary key autoincrement, author text not null, text text not null,
    at text not null default (strftime('%Y-%m-%dT%H:%M:%SZ')))]],
}

-- Runs one statement, of which each ? stands for a value.
local function execute(db, sql, ...)
  local values, at = { ... }, 0
  sql = sql:gsub("%?", function()
    at = at + 1
    local value = values[at]
    if math.type(value) == "integer" then return tostring(value) end
    return "'" .. db:escape((tostring(value):gsub("%z", ""))) .. "'"
  end)
  return assert(db:execute(sql))
end

--- Runs a statement and returns how many rows it changed.
function database.run(db, sql, ...)
  return execute(db, sql, ...)
end

--- Returns the rows of a query, each by the names of its columns.
function database.rows(db, sql, ...)
  local cursor, rows = execute(db, sql, ...), {}
  local row = cursor:fetch({}, "a")
  while row do
    rows[#rows + 1] = row
    row = cursor:fetch({}, "a")
  end
  cursor:close()
  return rows
end

local function make_pool(scope, path)
  local library = sqlite.sqlite3()
  scope:defer(function() library:close() end)
  local first <close> = setmetatable({ db = assert(library:connect(path)) },
    { __close = function(self) self.db:close() end })
  for _, statement in ipairs(SCHEMA) do
    local result = assert(first.db:execute(statement))
    if type(result) == "userdata" then result:close() end
  end
  return neap.pool {
    make = function() return library:connect(path) end,
    max_open = 4, max_wait = 2,
  }
end

--- Provides the pool, and what a request borrows of it until its answer.
function database.provide(app, path)
  app:provide("pool", {
    lifetime = "singleton",
    make = function(scope) return make_pool(scope, path) end,
    dispose = function(pool) pool:close() end,
  })
  app:provide("db", {
    lifetime = "scoped", needs = { "pool" },
    make = function(_, pool)
      local loan, message, code = pool:borrow()
      if not loan then return nil, message, code end
      return loan.item
    end,
  })
end

return database
