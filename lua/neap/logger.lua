--- neap.log: what a script may write into the log, between neap's own lines.

local log = require "neap.log"
local site = require "neap.site"

local logger = {}

local function writer(level)
  return function(message, fields)
    site.expect(message, "string", ("neap.log.%s's message"):format(level))
    site.expect(fields, "table or nil", ("neap.log.%s's fields"):format(level))
    log[level](message, fields)
  end
end

--- Each writes one entry, if entries of its level are written (--log-level).
---@type fun(message: string, fields: table<string, any>|nil)
logger.debug = writer "debug"
logger.info = writer "info"
logger.warn = writer "warn"
logger.error = writer "error"

return logger
