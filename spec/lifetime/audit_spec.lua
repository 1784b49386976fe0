-- The audit asks the kernel, libuv and the allocator: here all three are made to
-- say something else than the census.

local life = require "spec.support.life"
local neap = require "neap"
local server = require "spec.support.server"

local SCRIPT = [[
  local meddle = assert(package.loadlib(%q, "luaopen_meddle"))()
  local neap = require "neap"
  local core = require "neap.core"
  local app = neap.app()
  app:ws("/", { message = function(_, data) return data end })

  -- The descriptor that did not exist before fn ran, of those that are sockets.
  local function sockets()
    local found = {}
    local list = io.popen "cd /proc/$PPID/fd && for f in *; do echo $f $(readlink $f); done"
    for line in list:lines() do
      local fd = line:match "^(%%d+) socket:"
      if fd then found[math.tointeger(tonumber(fd))] = true end
    end
    list:close()
    return found
  end

  neap.run(function()
    local listener = assert(app:listen "http://127.0.0.1:0")
    local _, port = listener:address()
    local before = sockets()
    local conn = assert(neap.connect(("ws://127.0.0.1:%%d/"):format(port)))
    local fd
    for number in pairs(sockets()) do
      if not before[number] and (not fd or number < fd) then fd = number end
    end
    -- the client's socket was made first, so its number is the lower one
    local function say(...) io.write("SAYS ", tostring(neap.audit(...)), "\n") end
    %s
    listener:close()
  end)
]]

local library = server.temporary ".so"

local function ask(body)
  local preload = os.getenv "NEAP_PRELOAD" or ""
  local status, output = life.die(SCRIPT:format(library, body), preload .. " " .. library)
  assert.equal(0, status, output)
  local said = {}
  for line in output:gmatch "SAYS ([^\n]*)" do said[#said + 1] = line end
  return said, output
end

describe("the audit", function()
  setup(function()
    assert(os.execute(("env -u LD_PRELOAD cc -shared -fPIC -O1 -o %s spec/support/meddle.c "
      .. "$(pkg-config --cflags lua5.4) $(pkg-config --cflags --libs libuv)"):format(library)))
  end)

  teardown(function() os.remove(library) end)

  it("agrees with the census, whatever is open", function()
    life.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local conn = world:connect "/"
      conn:subscribe "a"
      conn:every(10, function() end)
      local result = neap.audit()
      assert.equal("ok", tostring(result))
      assert.is_true(result.ok)
      assert.equal(5, result.descriptors) -- both ends, the listener, its spare, the set
      assert.is_true(result.bytes > 500000 and result.blocks > 5)
    end)
    assert.is_true(neap.audit().ok)
    assert.equal(1, neap.audit().descriptors) -- the set that connections stand in
  end)

  it("does not take a descriptor for neap's that is the script's", function()
    local before = neap.audit()
    local file <close> = io.open "/dev/null"
    local after = neap.audit()
    assert.same({ true, 1, 0 },
      { after.ok, after.foreign - before.foreign, after.descriptors - before.descriptors })
    assert(file)
  end)

  it("finds memory that nothing in the census holds", function()
    local before, kept = neap.audit { collect = true }, {}
    for i = 1, 10 do kept[i] = require("neap.core").settings {} end
    local after = neap.audit { since = before }
    assert.is_false(after.ok)
    assert.truthy(after[1]:find "^C memory has grown by %d+ bytes in 10 blocks", after[1])
    assert.equal(10, #kept)
    kept = nil
    assert.equal("ok", tostring(neap.audit { since = before, collect = true }), kept)
  end)

  it("finds a descriptor that was closed behind neap's back", function()
    local said = ask "meddle.close(fd) say() conn:terminate() conn:wait_closed(10)"
    assert.truthy(said[1]:find "descriptor %d+ of conn #%d+ was closed by somebody else", said[1])
  end)

  it("finds one whose number another file has taken", function()
    local said = ask "meddle.replace(fd) say() conn:terminate() conn:wait_closed(10)"
    assert.truthy(said[1]:find "descriptor %d+ of conn #%d+ was closed by somebody else", said[1])
  end)

  it("finds one that was to be closed and is not", function()
    local said = ask [[
      say()
      meddle.keep(fd)
      conn:terminate()
      conn:wait_closed(10)
      say()
      meddle.close(fd)
      say()
    ]]
    assert.same({ "ok", "ok" }, { said[1], said[3] })
    assert.truthy(said[2]:find "descriptor %d+ was closed, and is open all the same", said[2])
  end)

  it("finds a handle of libuv that nothing in the census has", function()
    local said = ask "meddle.stray(true) say() meddle.stray(false) say()"
    assert.same({ "a handle of libuv (idle) belongs to nothing that lives", "ok" }, said)
  end)

  it("knows the handles of signals", function()
    local said = ask "core.watch_signals(true) say() core.watch_signals(false) say()"
    assert.same({ "ok", "ok" }, said)
  end)

  it("says which options it has", function()
    local ok, message = pcall(neap.audit, { colect = true })
    assert.is_false(ok)
    assert.truthy(message:find "neap.audit has no option colect", message)
  end)
end)
