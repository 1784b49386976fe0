-- Each kind of system call that neap makes fails once, with each errno it can
-- have, at the first occurrences (NEAP_LONG=1: the first twenty): no crash, no
-- hang, no spin, nothing left, and whoever comes next is served.

local life = require "spec.support.life"
local server = require "spec.support.server"
local tell = require "spec.support.tell"
local ws = require "spec.support.ws"

-- Its library comes in the place that a tool's would have.
if (os.getenv "NEAP_PRELOAD" or "") ~= "" or os.getenv "NEAP_WRAP" then return end

local OCCURRENCES = os.getenv "NEAP_LONG" and 20 or 2

local CASES = {
  accept4 = "EAGAIN ECONNABORTED EINTR EMFILE ENETDOWN ENFILE ENOBUFS ENOMEM EPERM EPROTO",
  bind = "EACCES EADDRINUSE ENOMEM",
  connect = "EACCES EADDRNOTAVAIL EAGAIN ECONNREFUSED EHOSTUNREACH ENETUNREACH ETIMEDOUT",
  epoll_ctl = "ENOMEM ENOSPC EPERM",
  epoll_wait = "EINTR",
  fstat = "EIO ENOMEM",
  getpeername = "ENOBUFS ENOTCONN",
  getrandom = "EAGAIN EINTR ENOSYS",
  getsockname = "ENOBUFS",
  getsockopt = "ENOBUFS",
  listen = "EADDRINUSE",
  open = "EMFILE ENFILE ENOENT ENOMEM",
  openat2 = "EACCES EINTR EIO EMFILE ENFILE ENOENT ENOMEM ENOSYS EPERM",
  pread = "SHORT EIO",
  recv = "SHORT EAGAIN ECONNREFUSED ECONNRESET EINTR ENOMEM ETIMEDOUT",
  send = "SHORT EAGAIN ECONNRESET EINTR ENOBUFS ENOMEM EPIPE",
  sendfile = "SHORT EAGAIN EINTR EINVAL EIO ENOMEM EPIPE",
  sendmsg = "SHORT EAGAIN ECONNRESET EINTR ENOBUFS ENOMEM EPIPE",
  setsockopt = "EINVAL ENOBUFS ENOMEM",
  shutdown = "ENOBUFS ENOTCONN",
  socket = "EACCES EMFILE ENFILE ENOBUFS ENOMEM",
}

-- What begins a process, and happens nowhere else.
local AT_START = {
  bind = "EADDRINUSE", epoll_create1 = "EMFILE", epoll_ctl = "ENOMEM", eventfd = "EMFILE",
  listen = "EADDRINUSE", open = "EMFILE", pthread_create = "EAGAIN",
  setsockopt = "ENOBUFS", socket = "EMFILE",
}

local SWEEP = [[
  local fail_at = assert(package.loadlib(%q, "luaopen_sys_fail"))()
  local cases, is_secure, occurrences = %s, %s, %d
  local core, http, neap = require "neap.core", require "spec.support.http", require "neap"
  local tls_world = require "spec.support.tls_world"
  require("neap.log").configure { level = "warn", write = function() end }

  local app = neap.app { timeouts = { handshake = 1, close = 1, write = 1, cancel = 0.1 } }
  local url, port, LARGE = nil, nil, ("x"):rep(300000)
  -- Seconds to wait for what a failure may have lost, and for what must come.
  local SHORT, LONG = 0.5, 30

  app:ws("/", {
    open = function(conn)
      conn:subscribe "a"
    end,
    message = function(_, data)
      app:publish("a", data)
      return data
    end,
  })
  app:get("/hello", function() return "hello" end)
  app:static("/files", "lua/neap")

  local function listen()
    if is_secure then
      return app:listen("https://127.0.0.1:0", { cert = tls_world.cert, key = tls_world.key })
    end
    return app:listen "http://127.0.0.1:0"
  end

  local function talk(patience)
    local conn, message = neap.connect(url, {
      timeout = patience, ca = tls_world.cert, deflate = false,
    })
    if not conn then return message end
    for _, text in ipairs { "one", LARGE } do
      local ok
      ok, message = conn:send(text, "binary")
      if not ok then return message end
      for _ = 1, 2 do
        ok, message = conn:receive(patience)
        if ok ~= text then
          conn:terminate()
          return message or "another message"
        end
      end
    end
    conn:close()
    local why = conn:wait_closed(LONG)
    return not why and "no end" or why.cause ~= "closed" and why.cause or nil
  end

  local function ask(path, length, patience)
    local peer <close> = http.connect(port, 0)
    peer:send("GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    local text, till = "", neap.now() + patience
    while neap.now() < till do
      local part, err, rest = peer.tcp:receive "*a"
      text = text .. (part or rest or "")
      if err ~= "timeout" then break end
      neap.sleep(0.002)
    end
    local body = text:match "^HTTP/1.1 200.-\r\n\r\n(.*)$"
    return not (body and #body == length) and "no answer" or nil
  end

  local function length_of(path)
    local file <close> = assert(io.open(path))
    return #file:read "a"
  end

  local script_length = length_of "lua/neap/app.lua"

  local function scenario(patience)
    local wrong = talk(patience)
    if not is_secure then
      wrong = ask("/hello", 5, patience) or wrong
      wrong = ask("/files/app.lua", script_length, patience) or wrong
    end
    local other, message = listen()
    if other then other:close() end
    return wrong or message
  end

  local function find_left()
    collectgarbage()
    collectgarbage()
    local counts = core.counts()
    for _, class in ipairs {
      "conn", "stream", "timer", "request", "subscription", "topic", "tls", "socket", "file",
    } do
      if counts[class].live > 0 then return class end
    end
    return counts.listener.live ~= 1 and "listener"
      or counts.frame_buffer.bytes > 0 and "frame_buffer"
  end

  local function settle(name)
    local left
    for _ = 1, 2000 do
      left = find_left()
      if not left then return end
      neap.sleep(0.01)
    end
    print("LEFT", name, left)
  end

  local tried, told = 0, 0

  -- Returns whether there was such an occurrence.
  local function try(call, err, n)
    local name = ("%%s %%s %%d"):format(call, err, n)
    local cpu, began = os.clock(), neap.now()
    fail_at(call, err, n)
    local wrong = scenario(SHORT)
    local seen = fail_at()
    cpu, began = os.clock() - cpu, neap.now() - began
    if cpu > 0.4 then print("CPU", name, cpu, began) end
    settle(name)
    if wrong then
      told = told + 1
      neap.sleep(0.11) -- a listener may rest
    end
    local after = scenario(LONG)
    if after then print("AFTER", name, after) end
    settle(name)
    tried = tried + 1
    return seen >= n
  end

  local listener
  neap.run(function()
    listener = assert(listen())
    _, port = listener:address()
    url = (is_secure and "wss://localhost:%%d/" or "ws://127.0.0.1:%%d/"):format(port)
    assert(not scenario(LONG))
    for call, names in pairs(cases) do
      for err in names:gmatch "%%S+" do
        local n = 1
        local most = call == "epoll_ctl" and math.max(occurrences, 6) or occurrences
        while n <= most and try(call, err, n) do n = n + 1 end
        if n == 1 then print("NEVER", call) end
      end
    end
  end)
  listener:close()
  print("DONE", tried, told)
]]

local function describe_table(cases)
  local lines = {}
  for call, names in pairs(cases) do lines[#lines + 1] = ("%s = %q"):format(call, names) end
  return "{" .. table.concat(lines, ", ") .. "}"
end

local function pick(...)
  local picked = {}
  for _, call in ipairs { ... } do picked[call] = CASES[call] end
  return picked
end

-- The body of the answer; nil where that one connection was lost.
local function ask(port)
  local is_whole, answer = pcall(ws.ask, port,
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
  return is_whole and answer and answer.body
end

describe("a system call that fails", function()
  local library = server.temporary ".so"

  setup(function()
    local include = io.popen("pkg-config --cflags lua5.4"):read "l"
    assert(os.execute(("cc -shared -fPIC -O1 %s -o %s spec/support/sys_fail.c"):format(
      include, library)))
  end)

  teardown(function() os.remove(library) end)

  local function sweep(cases, is_secure)
    local script = SWEEP:format(library, describe_table(cases), is_secure, OCCURRENCES)
    local status, output = life.die(script, library)
    assert.equal(0, status, output)
    for _, mark in ipairs { "LEFT", "CPU", "AFTER", "NEVER" } do
      assert.is_nil(output:find(mark), output)
    end
    local tried, told = output:match "DONE%s+(%d+)%s+(%d+)"
    assert.is_true(tonumber(tried) > 10 and tonumber(told) > 0, output)
    tell.result("%d failures, %d told", tried, told)
  end

  it("harms one connection at most, and the next one is served", function()
    local cases = {}
    for call, names in pairs(CASES) do cases[call] = names end
    cases.pread = nil -- the kernel copies
    sweep(cases, false)
  end)

  it("harms one connection at most under TLS, and the next one is served", function()
    sweep(pick("recv", "send", "epoll_ctl", "setsockopt", "getsockopt"), true)
  end)

  it("at the start is one line and status 1, or harms nothing", function()
    local script = "local app = require('neap').app{}\n"
      .. "app:get('/', function() return 'up' end)\nreturn app"
    local refused = 0
    for call, err in pairs(AT_START) do
      for n = 1, OCCURRENCES do
        local running <close> = server.start(script, {
          "--workers", "2", may_fail = true,
          command = ("env LD_PRELOAD=%s NEAP_FAIL='%s %s %d 1' timeout --foreground 20 "
            .. "setpriv --pdeathsig KILL build/bin/neap"):format(library, call, err, n),
        })
        local name = ("%s %s %d: "):format(call, err, n)
        if running.port then
          assert.equal("up", ask(running.port) or ask(running.port), name)
          assert.equal(0, (running:stop()), name .. running:log())
        else
          local status, _, text = running:wait()
          assert.equal(1, status, name .. text)
          assert.matches("^[^\n]*neap: [^\n]+\n$", text, nil, nil, name)
          refused = refused + 1
        end
      end
    end
    assert.is_true(refused > 3)
  end)
end)
