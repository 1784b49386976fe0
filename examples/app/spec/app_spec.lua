-- The app in memory: no socket, no browser, a database of its own for each spec.
local folder = debug.getinfo(1, "S").source:match "^@(.*)spec/"
package.path = folder .. "?.lua;" .. package.path

local auth = require "auth"
local board = require "board"
local harbour = require "harbour"
local json = require "dkjson"
local neap = require "neap"

local function delete(path)
  for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
end

-- Plays fn(world, enter), where enter(name) comes in with a session of that name.
local function play(fn)
  local path = os.tmpname()
  neap.test.no_leaks(function()
    local world <close> = neap.test.serve(harbour { database = path, password = "secret" })
    fn(world, function(name)
      local token = world.app:get "pool":with(auth.open_session, name)
      return assert(world:connect("/api/live", { headers = { Cookie = "session=" .. token } }))
    end)
  end)
  delete(path)
end

-- The next event of one type.
local function hear(conn, kind)
  local event
  repeat event = json.decode((assert(conn:receive(5)))) until event.type == kind
  return event
end

describe("the harbour app", function()
  it("lets in who has a session, by its name", function()
    play(function(world, enter)
      local conn, message = world:connect "/api/live"
      assert.is_nil(conn)
      assert.matches("401", message)
      conn, message = world:connect("/api/live", { headers = { Cookie = "session=x' or ''='" } })
      assert.is_nil(conn)
      assert.matches("401", message)
      assert.equal("Ann", hear(enter "Ann", "hello").name)
    end)
  end)

  it("pins a note for all who are here, and keeps it", function()
    play(function(world, enter)
      local ann, bob = enter "Ann", enter "O'Brien"
      hear(ann, "hello")
      bob:send "it's <b>high</b> water; drop table notes"
      local note = hear(ann, "note").note
      assert.same({ "O'Brien", "it's <b>high</b> water; drop table notes" },
        { note.author, note.text })
      local notes = world.app:get "pool":with(board.last_notes)
      assert.same({ note }, { table.unpack(notes) })
    end)
  end)

  it("sends back who writes nothing", function()
    play(function(_, enter)
      local conn = enter "Ann"
      conn:send "  "
      assert.equal(4000, conn:wait_closed(5).code)
    end)
  end)

  it("tells the tide once a second", function()
    play(function(_, enter)
      local conn = enter "Ann"
      neap.test.clock:advance(2)
      assert.matches("^%d%.%d%d%d$", hear(conn, "tide").metres)
    end)
  end)

  it("leaks nothing, wherever a connection is cut", function()
    local path = os.tmpname()
    neap.test.cut_everywhere(function(world)
      local token = world.app:get "pool":with(auth.open_session, "Ann")
      local conn = assert(world:connect("/api/live",
        { headers = { Cookie = "session=" .. token } }))
      assert(conn:send "hello")
      while true do
        local text = assert(conn:receive(40))
        if json.decode(text).type == "note" then break end
      end
    end, function() return harbour { database = path, password = "secret" } end)
    delete(path)
  end)
end)
