-- rock_check.lua COMMAND: an installed neap serves the echo example. Run from
-- the top of the source, which it uses for the example and the helpers alone.
package.path = "./?.lua;" .. package.path
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local example = server.temporary ".lua"
assert(os.execute(("cp examples/echo.lua %s"):format(example)))
do
  local running <close> = server.start(example, { command = "env -C / " .. arg[1] })
  local client <close> = ws.connect(running.port)
  client:send "hello"
  assert(client:receive() == "hello")
  local status, out = running:stop()
  assert(status == 0 and out:find "leaked=0", out)
end
os.remove(example)
print "ok"
