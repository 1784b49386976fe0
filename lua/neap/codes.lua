--- The codes that outcomes have: nil, message, code.

local codes = {}

local KNOWN = {}
for code in ("closed timeout busy overflow too_big protocol refused tls cancelled limit"
  .. " draining io"):gmatch "%S+" do KNOWN[code] = true end

--- Returns `code`, a script's own, if it is one of neap's, else "io".
---@param code any
---@return string
function codes.checked(code)
  return KNOWN[code] and code or "io"
end

return codes
