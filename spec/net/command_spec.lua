-- The command, and scripts that do without it, as processes.
local server = require "spec.support.server"
local ws = require "spec.support.ws"

-- Runs a script that must not start; returns its status and stderr.
local function refuse(text, options)
  options = options or {}
  options.may_fail = true
  local running <close> = server.start(text, options)
  assert.is_nil(running.port)
  local status, out, err = running:wait()
  assert.equal("", out)
  return status, err, running.script
end

local function count_lines(text)
  return select(2, text:gsub("\n", ""))
end

describe("the command", function()
  local wrong = {
    { "that does not parse", 2, "local x = 1\nlocal = 2\n" },
    { "that fails", 2, "local x = 1\nerror 'no water'\n" },
    { "that returns no app", nil, "local x = 1\nreturn x\n" },
    { "with an unknown option", 2, "local neap = require 'neap'\n"
      .. "local app = neap.app{limts = {}}\nreturn app\n" },
    { "with an unknown route option", 3, "local neap = require 'neap'\n"
      .. "local app = neap.app{}\napp:ws('/', {mesage = print})\nreturn app\n" },
  }
  for _, case in ipairs(wrong) do
    it("says in one line what is wrong with a script " .. case[1], function()
      local status, err, script = refuse(case[3])
      assert.equal(1, status)
      assert.equal(1, count_lines(err), err)
      local where = case[2] and script .. ":" .. case[2] or script
      assert.matches(where, err, 1, true)
    end)
  end

  it("guesses the option that was meant", function()
    local _, err = refuse(wrong[4][3])
    assert.matches('did you mean "?limits', err)
  end)

  it("says so when there is no such script", function()
    local status, err = refuse "nowhere/at-all.lua"
    assert.equal(1, status)
    assert.equal(1, count_lines(err), err)
  end)

  it("answers wrong usage with 2", function()
    local status, err = refuse("return 1\n", { "--lissten", "x" })
    assert.equal(2, status)
    assert.matches("--listen", err, 1, true)
  end)

  it("prints its version", function()
    local pipe <close> = assert(io.popen "build/bin/neap --version")
    assert.matches("^neap %d+%.%d+%.%d+\n$", (pipe:read "a"))
  end)

  it("takes options of the app from the command line", function()
    local running <close> = server.start("examples/echo.lua",
      { "--set", "limits.message=10" })
    local client <close> = ws.connect(running.port)
    client:send(("x"):rep(11))
    assert.equal(1009, (client:read_close()))
  end)
end)

describe("a script under stock Lua", function()
  it("serves by itself with app:run", function()
    local running <close> = server.start([[
      local neap = require "neap"
      local app = neap.app{}
      app:ws("/", {message = function(_, data) return data end})
      os.exit(app:run{listen = "http://127.0.0.1:0"}, true)
    ]], { command = server.stock_lua, listen = false })
    local client <close> = ws.connect(running.port)
    client:send "hello"
    assert.equal("hello", client:receive())
    running:signal "TERM"
    assert.equal(1001, (client:read_close()))
    client:send_close(1001)
    assert.is_true(client:is_ended())
    client:close()
    local status, out = running:wait()
    assert.equal(0, status)
    assert.matches("leaked=0", out, 1, true)
  end)

  it("waits in neap.run", function()
    local running <close> = server.start([[
      local neap = require "neap"
      neap.run(function()
        local before = neap.now()
        neap.sleep(0.05)
        io.stderr:write(neap.now() - before >= 0.045 and "slept" or "did not sleep")
      end)
    ]], { command = server.stock_lua, listen = false, may_fail = true })
    local status, _, err = running:wait()
    assert.equal("slept", err)
    assert.equal(0, status)
  end)
end)
