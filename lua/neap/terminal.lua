--- neap connect: a WebSocket client for the terminal.

local arguments = require "neap.terminal.arguments"
local log = require "neap.log"

local terminal = {}

--- Does what the words behind `neap connect` say.
---@param argv string[]
---@return integer status for the shell
function terminal.main(argv)
  local parsed, message = arguments.parse(argv)
  if not parsed then
    io.stderr:write("neap: ", message, " (neap connect --help)\n")
    return 2
  end
  if parsed.help then
    io.stdout:write(arguments.USAGE)
    return 0
  end
  log.configure { level = "error" }
  local core = require "neap.core"
  local screen <close> = require("neap.terminal.screen").open(parsed.quiet)
  core.watch_signals(true)
  local ok, status = pcall(require("neap.task").run,
    require("neap.terminal.session").run, parsed, screen)
  core.watch_signals(false)
  if ok then return status or 1 end
  screen:close()
  io.stderr:write("neap: ", (tostring(status):match "^[^\n]*"), "\n")
  return 2
end

return terminal
