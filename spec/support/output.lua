-- busted's plain output; and each file's seconds go to the file that NEAP_TIMES
-- names, for script/test.

local plain = require "busted.outputHandlers.plainTerminal"

return function(options)
  local busted = require "busted"
  local path, label = os.getenv "NEAP_TIMES", os.getenv "NEAP_LABEL" or ""
  if path then
    busted.subscribe({ "file", "end" }, function(file)
      local out <close> = assert(io.open(path, "a"))
      out:write(("%8.1f s  %s  (%s)\n"):format(file.duration, file.name, label))
      return nil, true
    end)
  end
  return plain(options)
end
