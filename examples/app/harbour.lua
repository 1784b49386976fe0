--- The app, put together from its parts. Specs make theirs with other settings.
local auth = require "auth"
local board = require "board"
local database = require "database"
local neap = require "neap"
local tide = require "tide"

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"

--- Returns the app; settings are `database`, a path, and `password`.
return function(settings)
  local app = neap.app { limits = { message = "4K" } }
  database.provide(app, settings.database)
  tide.serve(app)
  auth.serve(app, settings.password)
  app:mount("/api", board.app())
  app:static("/", folder .. "public")
  return app
end
