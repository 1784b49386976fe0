-- A project to start from: people sign in, pin notes for all to see, and watch
-- the tide. `neap examples/app/main.lua`, and open it in two windows.
local harbour = require "harbour"

return harbour {
  database = os.getenv "APP_DATABASE" or "board.db",
  password = os.getenv "APP_PASSWORD" or "harbour",
}
