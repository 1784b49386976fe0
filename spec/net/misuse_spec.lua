-- Mistakes of a script: each raises at its own line, and says what was meant.
local life = require "spec.support.life"
local neap = require "neap"

local HERE = "spec/net/misuse_spec.lua"

local function misuse(fn)
  local fine, message = pcall(fn)
  assert.is_false(fine, "nothing was raised")
  local place, rest = message:match "^([^\n]-):%d+: (.*)$"
  assert.equal(HERE, place, message)
  return rest
end

local function check(table_of_cases)
  for expected, fn in pairs(table_of_cases) do assert.equal(expected, misuse(fn)) end
end

describe("a mistake", function()
  it("with an app is told at the script's line", function()
    local app <close> = setmetatable({}, { __close = function(self) self.own.scope:close() end })
    app.own = neap.app()
    local own = app.own
    check {
      ["app:publish's topic must be a string, not number"] = function() own:publish(5, "x") end,
      ["app:publish's data must be a string, not nil"] = function() own:publish "t" end,
      ['app:publish\'s kind must be "text" or "binary", not txt'] =
        function() own:publish("t", "x", "txt") end,
      ["unknown option excpt of app:publish; did you mean except?"] =
        function() own:publish("t", "x", "text", { excpt = 1 }) end,
      ["unknown option deadlin of app:drain; did you mean deadline?"] =
        function() own:drain { deadlin = 5 } end,
      ["app:drain's deadline must not be negative"] = function() own:drain { deadline = -5 } end,
      ["unknown option lisen of app:run; did you mean listen?"] =
        function() own:run { lisen = "http://127.0.0.1:0" } end,
      ["app:run's listen must be a string or table or nil, not number"] =
        function() own:run { listen = 8080 } end,
      ["the URL must be a string, not number"] = function() own:listen(8080) end,
      ["the methods of an app are called with a colon, as in app:get(path, handler)"] =
        function() own.get("/", print) end,
      ["unknown option colect of neap.census; did you mean collect?"] =
        function() neap.census { colect = true } end,
    }
  end)

  it("with a connection is told at the script's line", function()
    life.run(function(world)
      world:ws("/", { message = function() end })
      local conn = world:connect "/"
      check {
        ["conn:send_wait's data must be a string, not nil"] = function() conn:send_wait() end,
        ["conn:send_wait's time must not be negative"] =
          function() conn:send_wait("x", "text", -1) end,
        ["conn:wait_closed's time must be a number or nil, not string"] =
          function() conn:wait_closed "x" end,
        ["conn:ping's payload has at most 125 bytes"] = function() conn:ping(("x"):rep(126)) end,
        ["conn:detach needs a scope, or nothing, not a number"] = function() conn:detach(5) end,
        ["type 'function' is not supported by JSON."] = function() conn:json(print) end,
        ["bad argument #1 to 'receive' (a time must not be negative)"] =
          function() conn:receive(-1) end,
      }
      assert.equal("open", conn.state)
    end)
  end)
end)
