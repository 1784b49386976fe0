-- The protocol, without memory and without random bytes: each call answers with
-- a failure, and the session is as good as its answer says.

local life = require "spec.support.life"
local server = require "spec.support.server"

-- The sanitizer's malloc can't be replaced.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" then return end

local HEAD = [[
  local codec = require("neap.core").codec
  local wire = require "spec.support.wire"
  local terms = { send_bits = 15, receive_bits = 15, min = 0 }
  local frames = wire.frame(wire.PING, "p")
    .. wire.frame(wire.TEXT, ("t"):rep(70), { fin = false })
    .. wire.frame(wire.CONTINUATION, ("u"):rep(7000))
    .. wire.frame(wire.CLOSE, wire.close_payload(1000))
]]

-- Nothing is made before the first failure, so what is made once fails too.
local MEMORY = HEAD .. [[
  local fail_at = assert(package.loadlib(%q, "luaopen_malloc_fail"))()

  local function scenario(role)
    local session <close> = codec.session { role = role, deflate = terms }
    session:send(("long"):rep(5000))
    session:ping "p"
    session:output()
    local plain <close> = codec.session { role = role }
    plain:send(("long"):rep(5000))
    if role == "client" then return end
    session:feed(frames:sub(1, 4)) -- in the midst of the ping's head, and of its payload
    session:next()
    session:feed(frames:sub(5, 6))
    session:next()
    session:feed(frames:sub(7, 50))
    session:next()
    session:pause()
    session:feed(frames:sub(51))
    for _ in session.next, session do end
    session:close()
  end

  local refused = 0
  for _, role in ipairs { "server", "client" } do
    local n, total = 0, nil
    repeat
      n = n + 1
      fail_at(n)
      if not pcall(scenario, role) then refused = refused + 1 end
      total = fail_at()
    until n > total
    scenario(role)
  end
  print("DONE", refused)
]]

local RANDOM = HEAD .. [[
  local client = codec.session { role = "client" }
  print(select(3, client:send "secret"))
  client:feed(wire.frame(wire.PING, "p", { key = false }))
  print(select(3, client:next()))
  local other = codec.session { role = "client" }
  other:feed(wire.frame(wire.CLOSE, "", { key = false }))
  print(select(3, other:next()))
  local third = codec.session { role = "client", deflate = terms }
  print(select(3, third:send(("long"):rep(5000))))
  print(client:output(), other:output(), third:output())
]]

describe("the protocol", function()
  local library = server.temporary ".so"

  local function compile(source)
    local include = io.popen("pkg-config --cflags lua5.4"):read "l"
    assert(os.execute(("cc -shared -fPIC -O1 %s -o %s spec/support/%s.c"):format(
      include, library, source)))
  end

  after_each(function() os.remove(library) end)

  it("survives each allocation that fails", function()
    compile "malloc_fail"
    local status, output = life.die(MEMORY:format(library), library)
    assert.equal(0, status, output)
    assert.is_true(tonumber(output:match "DONE%s+(%d+)") > 0, output)
  end)

  it("sends nothing as a client that gets no random bytes", function()
    compile "no_random"
    local status, output = life.die(RANDOM, library, "NEAP_RANDOM=0")
    assert.equal(0, status, output)
    assert.equal("io\nio\nio\nio\n\t\t\n", output)
  end)
end)
