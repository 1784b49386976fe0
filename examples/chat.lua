-- A chat with rooms, names and who is here. Open the page in two windows.
local neap, json = require "neap", require "dkjson"

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
local rooms = {} -- room -> {id of a connection -> name}
local app = neap.app {}

local function tell(room, event)
  app:publish("room:" .. room, json.encode(event))
end

local function tell_people(room)
  local names = {}
  for _, name in pairs(rooms[room] or {}) do names[#names + 1] = name end
  tell(room, { type = "people", names = names })
end

app:get("/", function(req)
  local page <close> = assert(io.open(folder .. "chat.html"))
  return req:html(page:read "a")
end)

app:ws("/chat/:room", function(conn, req)
  local room, name = req.params.room, req.query.name or "someone"
  local here = rooms[room] or {}
  rooms[room], here[conn.id] = here, name
  conn:subscribe("room:" .. room)
  conn:defer(function()
    here[conn.id] = nil
    if not next(here) then rooms[room] = nil end
    tell_people(room)
  end)
  tell_people(room)
  for text, kind in conn:messages() do
    if kind ~= "text" then break end
    tell(room, { type = "message", from = name, text = text })
  end
end)

return app
