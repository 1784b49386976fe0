--- The board: notes over a socket, for all who are here, and over REST.
local auth = require "auth"
local database = require "database"
local json = require "dkjson"
local neap = require "neap"

local board = {}

--- Returns the last notes, the newest first.
function board.last_notes(db)
  local notes = database.rows(db, "select * from notes order by id desc limit 50")
  return setmetatable(notes, { __jsontype = "array" })
end

--- Pins a note, and returns it.
function board.pin(db, author, text)
  database.run(db, "insert into notes (author, text) values (?, ?)", author, text)
  return database.rows(db, "select * from notes where id = last_insert_rowid()")[1]
end

-- The database is borrowed for each note, not for as long as somebody looks on.
local function live(app, conn, user)
  local pool = assert(app:get "pool")
  conn:subscribe "notes"
  conn:subscribe "tide"
  conn:json { type = "hello", name = user }
  for text, kind in conn:messages() do
    if kind ~= "text" or not text:find "%S" then return conn:close(4000, "write some text") end
    local note = pool:with(board.pin, user, text)
    if not note then return conn:close(1013, "the database is busy") end
    app:publish("notes", json.encode { type = "note", note = note })
  end
end

local function list(req)
  return req:json(board.last_notes(assert(req:get "db")))
end

local function remove(app, req)
  local id = math.tointeger(req.params.id)
  local count = id and database.run(assert(req:get "db"),
    "delete from notes where id = ? and author = ?", id, req.ctx.user)
  if count ~= 1 then return req:reject(404, "no note of yours has that number") end
  app:publish("notes", json.encode { type = "gone", id = id })
  return req:text "gone"
end

--- Returns the app that is mounted beneath /api.
function board.app()
  local app = neap.app {}
  app:use("session", auth.required)
  app:ws("/live", function(conn, req) live(app, conn, req.ctx.user) end)
  app:get("/notes", list)
  app:delete("/notes/:id", function(req) return remove(app, req) end)
  return app
end

return board
