-- Where a server listens: IPv4 and IPv6, sockets in the file system, abstract
-- ones, and those that somebody else has opened.

local server = require "spec.support.server"
local socket = require "socket"
local unix = require "socket.unix"
local ws = require "spec.support.ws"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app {}
  app:get("/", function(req) return req.remote end)
  app:ws("/", { message = function(_, data) return data end })
  return app
]]

local REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

local function start(listen, ...)
  return server.start(SCRIPT, { listen = listen, may_fail = true, ... })
end

-- The body of the answer that a connected socket gets.
local function ask(client)
  client:settimeout(10)
  client:send(REQUEST)
  local answer = client:receive "*a"
  client:close()
  return answer:match "\r\n\r\n(.*)$"
end

local function ask_unix(path)
  local client = assert(unix())
  local ok, err = client:connect(path)
  if not ok then return nil, err end
  return ask(client)
end

local function refusal(running)
  local status, _, err = running:wait()
  assert.equal(1, status)
  return err
end

local function first_line(command)
  local pipe <close> = assert(io.popen(command .. " 2>&1"))
  return pipe:read "l"
end

local function stat(path, format)
  return first_line(("stat -c '%s' %s"):format(format, path))
end

describe("A listener on TCP", function()
  it("answers IPv6", function()
    local running <close> = start "http://[::1]:0"
    assert.equal("::1", running.host:match "%[(.*)%]")
    local client = assert(socket.tcp6())
    assert(client:connect("::1", running.port))
    assert.matches("^%[::1%]:%d+$", ask(client))
  end)

  it("answers both kinds on [::], and shows IPv4 as IPv4", function()
    local running <close> = start("http://[::]:0", "--set", "hosts=localhost")
    assert.matches("^127%.0%.0%.1:%d+$", ask(assert(socket.connect("127.0.0.1", running.port))))
    local client = assert(socket.tcp6())
    assert(client:connect("::1", running.port))
    assert.matches("^%[::1%]:%d+$", ask(client))
  end)

  it("leaves IPv4 to others when it is asked to", function()
    local running <close> = start "http://[::]:0?v6only"
    assert.is_nil((socket.connect("127.0.0.1", running.port)))
    local other <close> = start("http://0.0.0.0:" .. running.port)
    assert.equal("neap: listening on http://0.0.0.0:" .. running.port, other.greeting)
  end)

  it("says in one line that the port is taken", function()
    local running <close> = start "http://127.0.0.1:0"
    local other <close> = start("http://127.0.0.1:" .. running.port)
    assert.matches("cannot listen on http://127.0.0.1:%d+: Address already in use\n$",
      refusal(other))
  end)
end)

describe("A listener on a unix socket", function()
  local path

  before_each(function() path = server.temporary ".sock" end)
  after_each(function() os.remove(path) end)

  -- Only root may give a file away.
  it("has the mode, owner and group that are asked for", function()
    local owner = first_line "id -un"
    if owner == "root" then owner = "nobody" end
    local group, number = first_line("id -gn " .. owner), first_line("id -g " .. owner)
    local running <close> =
      start(("unix:%s?mode=620&owner=%s&group=%s"):format(path, owner, number))
    assert.equal("neap: listening on unix:" .. path, running.greeting)
    assert.equal(("620 %s %s"):format(owner, group), stat(path, "%a %U %G"))
    assert.equal("unix", ask_unix(path))
    assert.equal(0, (running:stop()))
    assert.is_nil(io.open(path))
  end)

  it("names a user or group that is not there, and leaves no socket", function()
    local failing <close> = start(("unix:%s?group=no-such-group"):format(path))
    assert.matches("there is no group no%-such%-group\n$", refusal(failing))
    local other <close> = start(("unix:%s?owner=no-such-user"):format(path))
    assert.matches("there is no user no%-such%-user\n$", refusal(other))
    assert.matches("No such file", stat(path, "%F"))
  end)

  it("replaces one whose server has died", function()
    local first <close> = start("unix:" .. path)
    first:stop "KILL"
    assert.equal("socket", stat(path, "%F"))
    local second <close> = start("unix:" .. path)
    assert.equal("unix", ask_unix(path))
    second:stop()
  end)

  it("replaces no server that lives", function()
    local first <close> = start("unix:" .. path)
    local second <close> = start("unix:" .. path)
    assert.matches("Address already in use\n$", refusal(second))
    assert.equal("unix", ask_unix(path))
    first:stop()
  end)

  it("replaces no server whose queue is full", function()
    local full = assert(unix())
    assert(full:bind(path))
    assert(full:listen(0))
    local waiting = {}
    repeat
      local client = assert(unix())
      client:settimeout(0.05)
      waiting[#waiting + 1] = client
    until not client:connect(path) or #waiting > 20
    local other <close> = start("unix:" .. path)
    assert.matches("Address already in use\n$", refusal(other))
    full:close()
    for _, client in ipairs(waiting) do client:close() end
  end)

  it("replaces nothing but a socket", function()
    local file <close> = assert(io.open(path, "w"))
    file:write "precious"
    file:close()
    local failing <close> = start("unix:" .. path)
    assert.matches("Address already in use\n$", refusal(failing))
    assert.equal("precious", assert(io.open(path)):read "a")
  end)

  it("does not remove what another has put in its place", function()
    local first <close> = start("unix:" .. path)
    os.remove(path)
    local second <close> = start("unix:" .. path)
    assert.equal(0, (first:stop()))
    assert.equal("unix", ask_unix(path))
    second:stop()
  end)

  it("may be abstract, with no file", function()
    local name = "@neap-" .. path:match "[^/]+$"
    local running <close> = start("unix:" .. name)
    assert.equal("neap: listening on unix:" .. name, running.greeting)
    local pipe <close> = assert(io.popen(
      "env -u LD_PRELOAD curl -m 20 -sS --abstract-unix-socket "
      .. name:sub(2) .. " http://localhost/ 2>&1"))
    assert.equal("unix", pipe:read "a")
    local other <close> = start("unix:" .. name)
    assert.matches("Address already in use\n$", refusal(other))
    assert.equal(0, (running:stop()))
  end)

  it("says that a path is too long", function()
    local failing <close> = start("unix:/tmp/" .. ("x"):rep(120))
    assert.matches("the path is over 107 bytes\n$", refusal(failing))
  end)
end)

describe("A descriptor that is handed over", function()
  local build, preload = os.getenv "NEAP_BUILD" or "build", os.getenv "NEAP_PRELOAD" or ""

  -- The sanitizer is for neap, not for the program that hands over.
  local function handing(sockets, prefix)
    local own = preload ~= "" and "env LD_PRELOAD=" .. preload or ""
    return ("%s env -u LD_PRELOAD /usr/bin/python3 spec/support/supervisor.py "
      .. "hand %s %s %s/bin/neap"):format(prefix or "", sockets, own, build)
  end

  local function start_with(sockets, urls, prefix, more)
    more = more or {}
    for _, url in ipairs { table.unpack(urls, 2) } do
      more[#more + 1] = "-l"
      more[#more + 1] = url
    end
    return server.start(SCRIPT, {
      command = handing(sockets, prefix),
      listen = urls[1], may_fail = true, table.unpack(more),
    })
  end

  it("is found by its number", function()
    local running <close> = start_with("web=0", { "fd:3" })
    assert.matches("^127.0.0.1:", ask(assert(socket.connect("127.0.0.1", running.port))))
  end)

  it("is found by its name, in whatever order", function()
    local path = server.temporary ".sock"
    local running <close> = start_with("local=" .. path .. ",web=0", { "fd:web", "fd:local" })
    assert.matches("^127.0.0.1:", ask(assert(socket.connect("127.0.0.1", running.port))))
    assert.equal("unix", ask_unix(path))
    assert.equal(0, (running:stop()))
    assert.equal("socket", stat(path, "%F")) -- whose it is, it stays
    os.remove(path)
  end)

  it("is the next of that name when several have it", function()
    local running <close> = start_with("web=0,web=0", { "fd:web", "fd:web" })
    local second = running.pipe:read "l"
    assert.matches("^neap: listening on http://127.0.0.1:%d+$", second)
    assert.not_equal(running.greeting, second)
  end)

  it("is not passed on to programs that the script starts", function()
    local running <close> = server.start([[
      local neap = require "neap"
      local app = neap.app {}
      app:get("/", function()
        local pipe <close> = io.popen "readlink /proc/self/fd/3 /proc/self/fd/4"
        return pipe:read "a"
      end)
      return app
    ]], { command = handing "web=0,other=0", listen = "fd:web" })
    assert.not_matches("socket:", ask(assert(socket.connect("127.0.0.1", running.port))))
  end)

  it("is shared by workers", function()
    local running <close> = start_with("web=0", { "fd:web" }, nil, { "--workers=2" })
    assert.equal("neap: listening on http://127.0.0.1:" .. tostring(running.port), running.greeting)
    assert.matches("^127.0.0.1:", ask(assert(socket.connect("127.0.0.1", running.port))))
    assert.equal(0, (running:stop()))
  end)

  it("is named when it is not there", function()
    local failing <close> = start_with("web=0", { "fd:wbe" })
    assert.matches("cannot listen on fd:wbe: there is no such descriptor; "
      .. "handed over: fd:web %(3%)\n$", refusal(failing))
  end)

  it("is not believed in when it was meant for another process", function()
    local failing <close> = start_with("web=0", { "fd:web" }, "env LISTEN_PID=1")
    assert.matches("LISTEN_PID is not its own", refusal(failing))
  end)

  it("is refused when it is no socket, or nothing", function()
    local failing <close> = start "fd:0"
    assert.matches("fd:0: it is no stream socket that listens\n$", refusal(failing))
    local missing <close> = start "fd:99"
    assert.matches("fd:99: nothing is open there\n$", refusal(missing))
  end)
end)

describe("A listener on a loopback address", function()
  it("answers loopback names alone, against DNS rebinding", function()
    local running <close> = start "http://127.0.0.1:0"
    local client <close> = ws.connect(running.port, "/", { Host = "localhost" })
    client:send "hello"
    assert.equal("hello", client:receive())
    local answer = ws.ask(running.port,
      "GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n")
    assert.equal(421, answer.status)
  end)

  it("answers no names but those of the option hosts, if it is set", function()
    local running <close> = start("http://127.0.0.1:0", "--set", "hosts=chat.example.org")
    local function status(host)
      return ws.ask(running.port,
        ("GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"):format(host)).status
    end
    assert.equal(200, status "chat.example.org")
    assert.equal(421, status "localhost")
  end)
end)
