-- Every allocation of a client's life fails: from the name of its server to the
-- close, with a reconnect between. What fails is told to the script, and the
-- client ends or comes back.

local shortage = require "spec.support.shortage"

local CONNECT = [[
  options = { timeout = 1 }
  app:ws("/", { message = function(_, data) return data end })

  function scenario(port)
    local conn, message, code = neap.connect(("ws://localhost:%d/"):format(port), options)
    if not check(conn, message, code) then return message end
    local ok
    for _, text in ipairs { "one", ("x"):rep(150000) } do
      ok, message, code = conn:send(text)
      if not check(ok, message, code) then break end
      ok, message, code = conn:receive(0.2)
      if not check(ok, message, code) then break end
    end
    conn:close()
    local why
    why, message, code = conn:wait_closed(5)
    assert(code ~= "timeout", "no end")
    if not check(why, message, code) then return message end -- it had ended before
    return why.cause ~= "closed" and why.cause or nil
  end
]]

local CLIENT = [[
  options = { timeout = 1 }
  app:ws("/", {
    message = function(conn, data)
      if data == "drop" then return conn:terminate() end
      return data
    end,
  })

  -- What waits until the client is up or has ended, as it must in the end.
  local function say(client, text)
    for _ = 1, 200 do
      if client.state == "closed" then return nil, "closed" end
      local ok, message, code = client:send(text)
      check(ok, message, code)
      ok, message, code = client:receive(0.05)
      if check(ok, message, code) == text then return true end
    end
    error("the client is " .. client.state)
  end

  local function live(client)
    if not say(client, "one") then return "ended early" end
    client:send "drop"
    if not say(client, "two") then return "ended early" end
  end

  function scenario(port)
    local retries = 0
    local client <close> = neap.client {
      url = ("ws://localhost:%d/"):format(port), timeout = 1,
      reconnect = { min = 0.01, max = 0.02 },
      on_up = function(conn) conn:send "hello" end,
      on_down = function() end,
      on_retry = function() retries = retries + 1 end,
    }
    local message = live(client)
    client:close()
    assert(client:wait_closed(5), "no end")
    return message or retries > 1 and "came back once more" or nil
  end
]]

describe("a failing allocation of a client", function()
  local library

  setup(function() library = shortage.library() end)
  teardown(function() os.remove(library) end)

  if shortage.is_possible then
    for _, times in ipairs { 1, 5 } do
      it(("is told by neap.connect, %d in a row"):format(times), function()
        shortage.sweep(library, times, CONNECT, 11)
      end)
    end

    -- A client comes back from what fails once, so that nothing need be told.
    for _, times in ipairs { 2, 5 } do
      it(("ends a client or makes it come back, %d in a row"):format(times), function()
        shortage.sweep(library, times, CLIENT, 61)
      end)
    end
  end

  it("is told by neap.connect, where it is Lua's", function()
    shortage.sweep(library, 2, CONNECT, 7, "lua")
  end)

  it("ends a client or makes it come back, where it is Lua's", function()
    shortage.sweep(library, 2, CLIENT, 61, "lua")
  end)
end)
