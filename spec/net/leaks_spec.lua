local server = require "spec.support.server"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app()
  app:ws("/drop", { open = function(conn)
    conn:every(100, function() conn:send "x" end)
    conn:detach()
  end })
  if arg[1] == "drop" then neap.scope { label = "free" }:every(100, function() end) end
  if arg[1] == "keep" then kept = neap.scope {} end
  return app
]]

local function run(options, act)
  local running <close> = server.start(SCRIPT, options)
  if act then act(running) end
  return running:stop()
end

describe("at the end of the command", function()
  it("nothing is said, and the status is 0, when nothing leaked", function()
    local status, out, err = run { "--leaks", "error" }
    assert.same({ 0, "" }, { status, err })
    assert.truthy(out:find "leaked=0")
  end)

  it("a scope that nobody closed is named, with what it held", function()
    local status, out, err = run { "--", "drop" }
    assert.equal(0, status)
    assert.truthy(out:find "leaked=1", out)
    local line = "leak: scope free opened at [^ ]+:7, open %ds, held a timer from [^ ]+:7"
    assert.truthy(err:find(line), err)
  end)

  it("what is still alive is named", function()
    local _, out, err = run { "--", "keep" }
    assert.truthy(out:find "leaked=1", out)
    assert.truthy(err:find "leak: 1 scope from [^ ]+:8 still alive", err)
  end)

  it("--leaks error and NEAP_LEAKS=error exit with 3", function()
    assert.equal(3, (run { "--leaks", "error", "--", "keep" }))
  end)

  it("--leaks off says nothing", function()
    local status, _, err = run { "--leaks", "off", "--", "keep" }
    assert.same({ 0, "" }, { status, err })
  end)

  it("a connection that the collector had to close is named by its route", function()
    local _, out, err = run({}, function(running)
      local peer <close> = assert(ws.connect(running.port, "/drop"))
      assert.equal(1001, peer:read_close(5))
    end)
    assert.truthy(out:find "leaked=1", out)
    local line = "leak: detached conn #%d+ opened at ws /drop, open %ds, held a timer from [^ ]+:4"
    assert.truthy(err:find(line), err)
  end)
end)
