-- Every allocation of a static file's way to a client fails: whole, in part, and
-- compressed beforehand. An answer is right or an error, the connection ends or
-- serves the next request, and no file stays open.

local shortage = require "spec.support.shortage"

-- The peer uses no memory while it counts, so that all that fails is the server's.
local SCRIPT = [[
  local socket = require "socket"
  local directory = %q
  app:static("/files", directory, { cache = 60 })

  local function ask(port, fields)
    local peer = assert(socket.connect("127.0.0.1", port))
    peer:settimeout(0)
    assert(peer:send("GET /files/a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
      .. fields .. "\r\n"))
    local text, deadline = "", neap.now() + 10
    repeat
      neap.sleep(0.001)
      local all, err, part = peer:receive "*a"
      text = text .. (all or part or "")
    until all or err == "closed" or neap.now() > deadline
    peer:close()
    assert(neap.now() <= deadline, "no end")
    local status, body = text:match "^HTTP/1.1 (%%d+).-\r\n\r\n(.*)$"
    return tonumber(status), body
  end

  local WHOLE = ("0123456789"):rep(30000)

  -- Whether it is what was asked for; else it is an error, or the connection ended.
  local function is_good(status, body, wanted, whole)
    if status ~= wanted then return not assert(not status or status >= 500, "a wrong status") end
    assert(whole:sub(1, #body) == body, "a wrong body")
    return #body == #whole
  end

  function scenario(port)
    local harmed = 0
    local function try(fields, wanted, whole)
      local status, body = ask(port, fields)
      if not is_good(status, body, wanted, whole) then harmed = harmed + 1 end
    end
    try("", 200, WHOLE)
    try("Range: bytes=5-14\r\n", 206, "5678901234")
    try("Accept-Encoding: gzip\r\n", 200, "compressed")
    assert(harmed <= 1, "more than one request was harmed")
    return harmed > 0 and "a request failed" or nil
  end
]]

local function write(name, text)
  local file <close> = assert(io.open(name, "w"))
  file:write(text)
end

describe("a failing allocation of a static file", function()
  local library, directory, script

  setup(function()
    library, directory = shortage.library(), os.tmpname()
    os.remove(directory)
    assert(os.execute("mkdir " .. directory))
    write(directory .. "/a.txt", ("0123456789"):rep(30000))
    write(directory .. "/a.txt.gz", "compressed")
    script = SCRIPT:format(directory)
  end)

  teardown(function()
    os.remove(library)
    os.execute("rm -r " .. directory)
  end)

  if shortage.is_possible then
    for _, times in ipairs { 1, 5 } do
      it(("harms one request at most, %d in a row"):format(times), function()
        shortage.sweep(library, times, script, 7)
      end)
    end
  end

  it("harms one request at most, where it is Lua's", function()
    shortage.sweep(library, 2, script, 11, "lua")
  end)
end)
