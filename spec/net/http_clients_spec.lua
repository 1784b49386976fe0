-- HTTP clients that others wrote.
local server = require "spec.support.server"

local SCRIPT = [[
local neap = require "neap"
local app = neap.app{limits = {body = "32M"}}
app:get("/", function() return "hello" end)
app:get("/empty", function(req) return req:text("", 204) end)
app:post("/echo", function(req)
  return req:text(assert(req:body()), 200, {["Content-Type"] = "application/octet-stream"})
end)
app:get("/stream", function(req)
  return req:stream(function(out) for i = 1, 1000 do out:write(i .. ",") end end)
end)
app:get("/events", function(req)
  return req:events(function(events)
    for i = 1, 3 do events:send{id = tostring(i), event = "tick", data = i} end
  end)
end)
return app
]]

local function run(command, ...)
  local pipe <close> = assert(io.popen("unset LD_PRELOAD; " .. command:format(...) .. " 2>&1"))
  return pipe:read "a"
end


describe("HTTP satisfies", function()
  local running, url

  setup(function()
    running = server.start(SCRIPT)
    url = ("http://127.0.0.1:%d"):format(running.port)
  end)
  teardown(function() assert.equal(0, (running:stop())) end)

  it("curl, over one connection", function()
    local log = run("curl -sv -m 20 %s/ %s/stream %s/ -o /dev/null -o /dev/null -o /dev/null",
      url, url, url)
    assert.equal(2, select(2, log:gsub("Re%-using existing connection", "")))
    assert.equal(3, select(2, log:gsub("< HTTP/1.1 200 OK", "")))
  end)

  it("curl, which sends a large body only after 100", function()
    local command = "head -c 3000000 /dev/zero | curl -sv -m 20 -H 'Expect: 100-continue' "
      .. "%s --data-binary @- %s/echo -o /dev/null"
    for _, how in ipairs { "", "-H 'Transfer-Encoding: chunked'" } do
      local log = run(command, how, url)
      assert.matches("HTTP/1.1 100 Continue", log)
      assert.matches("Content%-Length: 3000000", log)
    end
  end)

  it("curl -N, which shows events as they come", function()
    local body = run("curl -sN -m 20 %s/events", url)
    assert.equal("event: tick\nid: 1\ndata: 1\n\n", body:match "^(.-\n\n)")
    assert.equal(3, select(2, body:gsub("event: tick\n", "")))
  end)

  it("curl as of HTTP/1.0, and with HEAD", function()
    assert.equal("hello", run("curl -s0 -m 20 %s/", url))
    assert.matches("Content%-Length: 5", run("curl -sI -m 20 %s/", url))
  end)

  it("python's http.client", function()
    assert.equal("ok\n", run("/usr/bin/python3 spec/support/http_client.py 127.0.0.1 %d",
      running.port))
  end)

  it("node's agent, which keeps its connections", function()
    assert.equal("ok\n", run("node spec/support/http_client.js %d", running.port))
  end)
end)
