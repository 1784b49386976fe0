local server = require "spec.support.server"
local socket = require "socket"
local ws = require "spec.support.ws"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{}
local starts = 0
app:every(0.01, function() starts = starts + 1 end)
app:after(0, function() io.stderr:write("alone in ", neap.worker.index, "\n") end)
app:spawn({each_worker = true}, function() starts = starts + 100000 end)

local commands = {}
function commands.echo(_, data) return data end
function commands.publish(_, data) app:publish("all", data) return "published" end
function commands.pattern(conn, data)
  conn:subscribe(data, {pattern = true})
  return "subscribed"
end
function commands.to(_, data)
  local topic, text = data:match "^(%S+) (.*)$"
  app:publish(topic, text)
  return "published"
end
function commands.send(_, data)
  local id, text = data:match "^(%d+) (.*)$"
  local ok, how = neap.get(tonumber(id)):send(text)
  return tostring(ok) .. " " .. tostring(how)
end
function commands.close(_, id)
  neap.get(tonumber(id)):close(4001, "from elsewhere")
  return "closing"
end
function commands.kill(_, id) neap.get(tonumber(id)):terminate() return "killed" end
function commands.count() return tostring(app:count()) end
function commands.census()
  local conn = neap.census().conn
  return ("%d %s"):format(conn.live, tostring(conn.opened == conn.closed + conn.live))
end
function commands.starts()
  return tostring(starts >= 100000) .. " " .. tostring(starts % 100000 > 0)
end
function commands.spin()
  io.stderr:write "it is stuck\n"
  while true do end
end
function commands.stick(_, path)
  io.stderr:write "it is stuck\n"
  io.open(path)
end
function commands.exit() os.exit(7) end
function commands.locale() return tostring(select(2, pcall(os.setlocale, "C"))) end
function commands.drain() app:drain() return "draining" end
function commands.stubborn(conn) conn:shield(60, function() neap.sleep(60) end) end

app:ws("/", {
  open = function(conn)
    conn:subscribe "all"
    conn:send(("%d %d %d"):format(neap.worker.index, neap.worker.count, conn.id))
  end,
  message = function(conn, data)
    local name, rest = data:match "^(%S+) ?(.*)$"
    return commands[name](conn, rest)
  end,
})
return app
]]

-- Opens connections until each worker has one; returns them by worker, with
-- their ids, and how many there are.
local function one_in_each(port, count)
  local clients, ids, missing = {}, {}, count
  for total = 1, 300 do
    local client = ws.connect(port, "/")
    local index, all, id = client:receive():match "^(%d+) (%d+) (%d+)$"
    index = math.tointeger(index)
    assert.equal(count, tonumber(all))
    if clients[index] then
      clients[#clients + count + total] = client
    else
      clients[index], ids[index], missing = client, id, missing - 1
    end
    if missing == 0 then return clients, ids, total end
  end
  error "a worker gets no connection"
end

local function ask(client, text)
  client:send(text)
  return client:receive()
end

local function wait_until_stuck(running)
  local till = socket.gettime() + 30
  while not running:log():find "it is stuck" do
    assert(socket.gettime() < till, "it is not stuck")
    socket.sleep(0.01)
  end
end

local function close_all(clients)
  for _, client in pairs(clients) do client:close() end
end

describe("Three workers", function()
  local running, clients, ids, total

  setup(function()
    running = server.start(SCRIPT, { "--workers", "3" })
    clients, ids, total = one_in_each(running.port, 3)
  end)

  teardown(function()
    close_all(clients)
    running:stop()
  end)

  it("serve one port, each its own connections", function()
    for index = 1, 3 do assert.equal("hello", ask(clients[index], "echo hello")) end
  end)

  it("get what any of them publishes", function()
    for index = 1, 3 do
      clients[index]:send("publish from " .. index)
      local heard = {}
      for other = 1, 3 do
        for _ = 1, other == index and 2 or 1 do heard[#heard + 1] = clients[other]:receive() end
      end
      table.sort(heard)
      assert.same({ "from " .. index, "from " .. index, "from " .. index, "published" }, heard)
      for at, client in pairs(clients) do
        if at > 3 then assert.equal("from " .. index, client:receive()) end
      end
    end
  end)

  it("keep the order of what one publishes", function()
    for i = 1, 200 do clients[1]:send("publish " .. i) end
    for i = 1, 200 do assert.equal(tostring(i), clients[2]:receive()) end
    for at, client in pairs(clients) do
      if at ~= 2 then
        local last
        repeat last = client:receive() until last == "200"
      end
    end
    assert.equal("published", clients[1]:receive())
  end)

  it("match patterns for one another", function()
    assert.equal("subscribed", ask(clients[2], "pattern tide/+"))
    assert.equal("published", ask(clients[3], "to tide/Brest high"))
    assert.equal("high", clients[2]:receive())
    assert.equal("published", ask(clients[3], "to ebb/Brest low"))
    assert.equal("still here", ask(clients[2], "echo still here"))
  end)

  it("send to a connection of another, by its id", function()
    for from = 1, 3 do
      for to = 1, 3 do
        local how = ask(clients[from], ("send %s from %d"):format(ids[to], from))
        if from == to then
          assert.equal("from " .. from, how)
          assert.equal("true nil", clients[from]:receive())
        else
          assert.equal("true queued", how)
          assert.equal("from " .. from, clients[to]:receive())
        end
      end
    end
  end)

  it("close a connection of another", function()
    local client, index, id
    repeat
      if client then client:close() end
      client = ws.connect(running.port, "/")
      index, id = client:receive():match "^(%d+) %d+ (%d+)$"
    until index ~= "1"
    assert.equal("closing", ask(clients[1], "close " .. id))
    local code, reason = client:read_close()
    assert.equal("4001 from elsewhere", code .. " " .. reason)
    client:close()
    assert.equal("true queued", ask(clients[1], ("send %s too late"):format(id)))
  end)

  it("count together what they have", function()
    for index = 1, 3 do -- each turn of the others tells a little later
      local count
      for _ = 1, 1000 do
        count = ask(clients[index], "count")
        if count == tostring(total) then break end
        socket.sleep(0.02)
      end
      assert.equal(tostring(total), count)
      assert.equal(total .. " true", ask(clients[index], "census"))
    end
  end)

  it("start once what the app starts, unless each is to have its own", function()
    assert.equal("true true", ask(clients[1], "starts"))
    assert.equal("true false", ask(clients[2], "starts"))
    assert.equal("true false", ask(clients[3], "starts"))
  end)

  it("may not change the locale of all", function()
    for index = 1, 3 do
      assert.matches("acts on all workers", ask(clients[index], "locale"), 1, true)
    end
  end)

  it("leave a busy port to the first process", function()
    for _, workers in ipairs { "1", "2" } do
      local other <close> = server.start(SCRIPT, { "--workers", workers, may_fail = true,
        listen = "http://127.0.0.1:" .. running.port })
      local status, _, err = other:wait()
      assert.equal(1, status)
      assert.matches("cannot listen on http://127.0.0.1:" .. running.port, err, 1, true)
      assert.matches("Address already in use", err, 1, true)
    end
  end)
end)

describe("A drain of several workers", function()
  it("closes what each has, and prints one receipt", function()
    local running <close> = server.start(SCRIPT, { "--workers", "3" })
    local clients, _, total = one_in_each(running.port, 3)
    running:signal "TERM"
    for _, client in pairs(clients) do
      assert.equal(1001, (client:read_close()))
      client:send_close(1001)
      client:close()
    end
    local status, out, err = running:wait()
    assert.equal(0, status)
    assert.equal("alone in 1\n", err)
    assert.matches(("neap: drained closed=%d forced=0 cancelled=%%d+ leaked=0 took=%%d")
      :format(total), out)
  end)

  it("may be asked for in any of them", function()
    local running <close> = server.start(SCRIPT, { "--workers", "2" })
    local clients = one_in_each(running.port, 2)
    clients[2]:send "drain"
    assert.equal("draining", clients[2]:receive())
    for _, client in pairs(clients) do
      assert.equal(1001, (client:read_close()))
      client:close()
    end
    assert.equal(0, (running:wait()))
  end)

  it("drops at the deadline what does not end", function()
    local running <close> = server.start(SCRIPT, { "--workers", "2", "--drain", "0.3" })
    local clients, _, total = one_in_each(running.port, 2)
    local status, out = running:stop()
    assert.equal(0, status)
    assert.matches(("closed=0 forced=%d "):format(total), out, 1, true)
    close_all(clients)
  end)

  it("interrupts a handler of another worker that never yields #signals", function()
    local running <close> = server.start(SCRIPT,
      { "--workers", "2", "--set", "timeouts.cancel=0.2" })
    local clients = one_in_each(running.port, 2)
    clients[2]:send "spin"
    wait_until_stuck(running)
    running:signal "TERM"
    for at, client in pairs(clients) do
      assert.equal(at == 2 and 1011 or 1001, (client:read_close()))
      client:close()
    end
    local status, _, err = running:wait()
    assert.equal(0, status)
    assert.matches("interrupted: the handler did not yield", err, 1, true)
  end)

  it("goes on without a worker that is stuck in C, and calls that no success #signals", function()
    local path = server.temporary ".fifo" -- nobody ever writes to it
    assert(os.execute("mkfifo " .. path))
    local running <close> = server.start(SCRIPT,
      { "--workers", "2", "--drain", "0.1", "--set", "timeouts.cancel=0.05" })
    local clients, _, total = one_in_each(running.port, 2)
    clients[2]:send("stick " .. path)
    wait_until_stuck(running)
    running:signal "TERM"
    assert.equal(1001, (clients[1]:read_close()))
    local status, out, err = running:wait()
    close_all(clients)
    assert.equal(1, status)
    local closed, forced, leaked = out:match "closed=(%d+) forced=(%d+) cancelled=%d+ leaked=(%d+)"
    assert.same({ total, true, true },
      { closed + forced, tonumber(forced) >= 1, tonumber(leaked) >= 1 })
    assert.matches("1 workers do not end: the process ends without them", err, 1, true)
    assert.matches("leak: 1 listener still alive in a worker that is stuck", err, 1, true)
    os.remove(path)
  end)

  it("is what os.exit asks for", function()
    for index = 1, 2 do
      local running <close> = server.start(SCRIPT, { "--workers", "2" })
      local clients = one_in_each(running.port, 2)
      clients[index]:send "exit"
      for _, client in pairs(clients) do
        assert.equal(1001, (client:read_close()))
        client:close()
      end
      assert.equal(7, (running:wait()))
    end
  end)

  it("leaves nothing behind when the process is killed instead", function()
    local running <close> = server.start(SCRIPT, { "--workers", "3" })
    local clients = one_in_each(running.port, 3)
    running:stop "KILL"
    for _, client in pairs(clients) do assert.is_true(client:is_ended()) end
    local next_one <close> = server.start(SCRIPT, {
      "--workers", "3", listen = "http://127.0.0.1:" .. running.port })
    assert.equal(running.port, next_one.port)
    close_all(clients)
  end)
end)

describe("The limit of connections", function()
  local function answer_of(client)
    client:raw(ws.head(1, "/", { Host = "localhost" }))
    local head = client:read_head()
    return head and head.status
  end

  it("is of the process, whichever worker has them", function()
    local running <close> = server.start(SCRIPT,
      { "--workers", "2", "--set", "limits.connections=6" })
    local clients = {}
    for i = 1, 6 do
      clients[i] = ws.dial(running.port)
      assert.equal(101, answer_of(clients[i]))
    end
    for _ = 1, 4 do
      local more <close> = ws.dial(running.port)
      local status = answer_of(more)
      assert.is_true(status == 503 or status == nil)
      assert.is_true(more:is_ended())
    end
    clients[1]:close()
    local is_in
    for _ = 1, 1000 do
      local last <close> = ws.dial(running.port)
      is_in = answer_of(last) == 101
      if is_in then break end
      socket.sleep(0.02)
    end
    assert.is_true(is_in)
    close_all(clients)
  end)

  it("is no more than there are descriptors, and says so #descriptors", function()
    local running <close> = server.start(SCRIPT, {
      "--set", "limits.connections=50000",
      command = "sh -c 'ulimit -n 500; exec \"$@\"' sh " .. (os.getenv "NEAP_BUILD" or "build")
        .. "/bin/neap" })
    local _, _, err = running:stop()
    local _, lines = err:gsub("limits.connections = 50000: this process may have 500 ", "")
    assert.equal(1, lines)
  end)

  it("leaves the soft limit of descriptors behind #descriptors", function()
    local running <close> = server.start(SCRIPT, {
      command = "sh -c 'ulimit -S -n 100; exec \"$@\"' sh " .. (os.getenv "NEAP_BUILD" or "build")
        .. "/bin/neap" })
    local limits <close> = assert(io.open(("/proc/%d/limits"):format(running.pid)))
    local soft, hard = limits:read "a":match "Max open files%s+(%d+)%s+(%d+)"
    assert.equal(hard, soft)
    local _, _, err = running:stop() -- the default is lowered without a word
    assert.is_nil(err:find "limits")
  end)
end)

describe("Workers", function()
  it("share a unix socket", function()
    local path = server.temporary ".sock"
    local running <close> = server.start(SCRIPT,
      { "--workers", "2", listen = "unix:" .. path, may_fail = true })
    assert.equal("neap: listening on unix:" .. path, running.greeting)
    local seen = {}
    for _ = 1, 2000 do
      local client = assert(require "socket.unix"())
      assert(client:connect(path))
      client:send(ws.head(0, "/", { Host = "localhost" }))
      repeat local line = client:receive "*l" until line == ""
      local head = client:receive(2)
      seen[client:receive(head:byte(2)):sub(1, 1)] = true
      client:close()
      if seen["1"] and seen["2"] then break end
    end
    assert.same({ ["1"] = true, ["2"] = true }, seen)
    assert.equal(0, (running:stop()))
    assert.is_nil(io.open(path))
  end)

  it("end the process when the script of one can't be loaded", function()
    local failing <close> = server.start([[
      local neap = require "neap"
      if neap.worker.index == 2 then error("no licence for a second one") end
      return neap.app()
    ]], { "--workers", "3", may_fail = true })
    local status, _, err = failing:wait()
    assert.equal(1, status)
    assert.matches("worker 2: [^\n]+%.lua:%d+: no licence for a second one\n$", err)
    assert.equal("", failing.greeting)
  end)

  it("are refused in a number that makes no sense", function()
    for _, count in ipairs { "0", "many", "1.5", "1000" } do
      local wrong <close> = server.start(SCRIPT, { "--workers", count, may_fail = true })
      local status, _, err = wrong:wait()
      assert.equal(2, status)
      assert.matches("workers are a number from 1 to 256, or auto", err, 1, true)
    end
  end)

  it("can be as many as there are cores", function()
    local running <close> = server.start(SCRIPT, { "--workers", "auto" })
    local client <close> = ws.connect(running.port, "/")
    local count = tonumber(client:receive():match "^%d+ (%d+)")
    assert.is_true(count >= 1)
    assert.equal(0, (running:stop()))
  end)

  it("serve a script of stock Lua that runs its app", function()
    local script = SCRIPT:gsub("return app%s*$",
      "app:run{listen = 'http://127.0.0.1:0', workers = tonumber(arg[1])}")
    local running <close> = server.start(script,
      { "2", command = server.stock_lua, listen = false })
    local clients = one_in_each(running.port, 2)
    clients[1]:send "publish hello"
    assert.equal("hello", clients[2]:receive())
    close_all(clients)
    assert.equal(0, (running:stop()))
  end)
end)
