-- neap connect as people use it: on a terminal, and between pipes.
local server = require "spec.support.server"

local build = os.getenv "NEAP_BUILD" or "build"
local preload = os.getenv "NEAP_PRELOAD" or ""

local ROUTES = [[
  local neap = require "neap"
  local app = neap.app { hosts = { "localhost", "127.0.0.1" } }
  app:ws("/", { message = function(_, data) return data end, protocols = { "chat.v1" } })
  app:ws("/bye/:code", function(conn, req)
    conn:send "last words"
    conn:close(tonumber(req.params.code), "so long")
    conn:wait_closed()
  end)
  app:ws("/drop", function(conn) conn:terminate() end)
  app:ws("/news", function(conn)
    for i = 1, 2000 do conn:send("news " .. i); neap.sleep(0.02) end
  end)
  app:ws("/binary", function(conn) conn:send("\0\1", "binary") end)
  app:ws("/evil", function(conn) conn:send("a\27[2Jb"); neap.sleep(60) end)
  app:ws("/late", function(conn) conn:receive(); neap.sleep(0.3); conn:send "late" end)
  app:ws("/kind", function(conn)
    local data, kind = conn:receive()
    conn:send(kind .. " " .. data)
  end)
  app:ws("/once", { protocols = { "chat.v1" } }, function(conn) conn:send((conn:receive())) end)
  return app
]]

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

describe("neap connect", function()
  local running
  setup(function() running = server.start(ROUTES) end)
  teardown(function() running:stop() end)

  -- Its words for the shell; {PORT} stands for the server's.
  local function words(line)
    return ("env LD_PRELOAD=%s XDG_STATE_HOME=/nowhere %s/bin/neap connect %s"):format(
      quote(preload), build, (line:gsub("{PORT}", "ws://127.0.0.1:" .. running.port)))
  end

  -- Runs it between pipes: stdout, stderr, exit status.
  local function pipe(input, line)
    local errors = os.tmpname()
    local command = ("printf %s | env -u LD_PRELOAD %s 2>%s; echo \"status $?\""):format(
      quote(input), words(line), errors)
    local out = assert(io.popen(command)):read "a"
    local file <close> = assert(io.open(errors))
    local err = file:read "a"
    os.remove(errors)
    assert.is_nil(err:find "Sanitizer", err)
    return out:match "^(.*)status", err, tonumber(out:match "status (%d+)\n$")
  end

  -- Runs it on a terminal, where `steps` are typed.
  local function terminal(steps, line)
    local list = {}
    for i, step in ipairs(steps) do
      list[i] = ("(%q, %q)"):format(step[1], step[2]):gsub("\\\n", "\\n"):gsub("\\(%d+)",
        function(code) return ("\\x%02x"):format(tonumber(code)) end)
    end
    local screen = assert(io.popen(("env -u LD_PRELOAD /usr/bin/python3 spec/support/keyboard.py "
      .. "%s %s; echo \"status $?\""):format(quote("[" .. table.concat(list, ",") .. ",]"),
        words(line)))):read "a"
    return screen, tonumber(screen:match "status (%d+)\n$")
  end

  it("sends each line of a pipe, and prints the answers", function()
    local out, err, status = pipe("one\\ntwo\\nthree", "{PORT} --wait 1.5")
    assert.equal("one\ntwo\nthree\n", out)
    assert.matches("neap: connected to ws://", err)
    assert.matches("neap: closed: 1000 %(closed by us", err)
    assert.equal(0, status)
  end)

  it("waits for answers that come late", function()
    local out = pipe("hello\\n", "{PORT}/late -q --wait 20")
    assert.equal("late\n", out)
  end)

  it("prints messages and nothing else when it is to be quiet", function()
    local out, err = pipe("a\\n", "{PORT} -q --wait 1.5")
    assert.same({ "a\n", "" }, { out, err })
  end)

  it("sends lines as binary, asks for protocols, lays out JSON", function()
    assert.equal("binary x\n", (pipe("x\\n", "{PORT}/kind -q --binary --wait 20")))
    local out, err = pipe('{"a":1}\\n', "{PORT}/once --json --wait 20 --rtt --protocol x,chat.v1")
    assert.equal('{\n  "a": 1\n}\n', out)
    assert.matches("protocol chat%.v1, round trip %d+%.%d ms", err)
  end)

  it("exits with a status that says how it ended", function()
    for line, wanted in pairs {
      ["{PORT}/bye/1000"] = { 0, "closed: 1000 so long %(closed by peer, after" },
      ["{PORT}/bye/4001"] = { 3, "closed: 4001 so long" },
      ["{PORT}/drop"] = { 4, "closed: 1006 %(%a+ by net, not clean" },
      ["{PORT}/none"] = { 1, "the server answered 404" },
      ["127.0.0.1:1"] = { 1, "Connection refused" },
      ["ftp://x"] = { 2, "not a WebSocket URL" },
      ["--nonsense"] = { 2, "unknown option" },
    } do
      local _, err, status = pipe("", line .. " --wait 20")
      assert.equal(wanted[1], status, line .. ": " .. err)
      assert.matches(wanted[2], err)
    end
  end)

  it("passes binary messages on as they are", function()
    assert.equal("\0\1", (pipe("", "{PORT}/binary -q --wait 20")))
  end)

  it("is talked to on a terminal, with commands and a history", function()
    local screen, status = terminal({
      { "connected", "hello\r" }, { "< hello", "/ping\r" }, { "round trip", "//x\r" },
      { "< /x", "/what\r" }, { "no command /what", "\27[A\27[A\27[A\27[A\r" },
      { "< hello", "/close 4002 done\r" },
    }, "{PORT}")
    assert.equal(0, status, screen)
    assert.matches("closed: 4002 done %(closed by us", screen)
  end)

  it("prints news above the line that is being typed, and keeps that whole", function()
    local screen, status = terminal({
      { "< news 3", "half a" }, { "half a", "" }, { "< news 20", " line" },
      { "half a line", "\21\4" },
    }, "{PORT}/news")
    assert.equal(0, status, screen)
    assert.matches("\r\27%[K< news %d+\r\n\r\27%[K> half a\r\27%[8C", screen)
    assert.matches("> half a line", screen)
  end)

  it("lets no server draw on the terminal", function()
    local screen = terminal({ { "< a", "\4" } }, "{PORT}/evil")
    assert.truthy(screen:find("< a\\x1b[2Jb", 1, true), screen)
  end)

  it("closes at the first ^C, and gives the terminal back", function()
    local screen, status = terminal({ { "connected", "\3" }, { "$ ", "" } }, "{PORT}")
    assert.equal(0, status, screen)
    assert.matches("closing; once more", screen)
  end)

  it("comes back when it is asked to", function()
    local screen = terminal({ { "coming back", "" }, { "connected", "\4" } },
      "{PORT}/drop --reconnect")
    assert.matches("closed: 1006", screen)
  end)
end)
