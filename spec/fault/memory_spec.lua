-- Every allocation of a connection's life fails, alone or with those that follow:
-- no crash, no hang, and when memory is back, nothing is left and the next
-- connection is served.

local certs_of = require "spec.support.certs"
local shortage = require "spec.support.shortage"

local SCRIPT = [[
  options.deflate = %s
  app:ws("/", {
    deflate = options.deflate,
    open = function(conn)
      conn:subscribe "a"
      conn:every(10, function() end)
      conn:defer(function() end)
    end,
    message = function(conn, data)
      app:publish("a", data)
      if data == "wait" then neap.sleep(0.001) end
      return data
    end,
    close = function() end,
  })

  function scenario(port)
    local conn, message = neap.connect(("ws://127.0.0.1:%%d/"):format(port), options)
    local ok
    if not conn then return message end
    for _, text in ipairs { "one", ("x"):rep(3000), ("y"):rep(150000), "wait" } do
      ok, message = conn:send(text)
      if not ok then return message end
      if not conn:receive(0.2) then break end
    end
    conn:close()
    local why = conn:wait_closed(2)
    return not why and "no end" or why.cause ~= "closed" and why.cause
  end
]]

local TLS = [[
  url, served, options = "https://127.0.0.1:0", { cert = %q, key = %q }, { insecure = true }
  app:ws("/", { open = function() end, message = function(_, data) return data end })

  function scenario(port)
    local conn, message = neap.connect(("wss://127.0.0.1:%%d/"):format(port), options)
    if not conn then return message end
    conn:send "one"
    conn:receive(0.2)
    conn:close()
    local why = conn:wait_closed(2)
    return not why and "no end" or why.cause ~= "closed" and why.cause
  end
]]

if not shortage.is_possible then return end

describe("a failing allocation", function()
  local library

  setup(function() library = shortage.library() end)
  teardown(function() os.remove(library) end)

  for name, deflate in pairs {
    ["without compression"] = "false", ["with compression"] = "{}",
    ["with contexts taken over"] = "{ takeover = true, idle = 0.2 }",
  } do
    it("ends no process and leaves nothing, whichever it is, " .. name, function()
      shortage.sweep(library, 1, SCRIPT:format(deflate))
    end)
  end

  -- Lua tries again after a collection: what fails once harms only C. What must
  -- be told is told in the end, however often it could not be.
  for _, times in ipairs { 2, 3, 5, 8 } do
    it(("ends no process and leaves nothing, %d in a row"):format(times), function()
      shortage.sweep(library, times, SCRIPT:format "false", 5)
    end)
  end

  it("ends no process and leaves nothing over TLS", function()
    local certs <close> = certs_of.new()
    shortage.sweep(library, 5, TLS:format(certs:make("good", { names = "IP:127.0.0.1" })), 13)
  end)
end)
