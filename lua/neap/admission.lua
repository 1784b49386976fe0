--- Admission: how many connections an app lets in, as far as the system does.

local core = require "neap.core"
local log = require "neap.log"

local admission = {}

-- Descriptors that are no connection's: of the process, and of each worker.
local SPARE, SPARE_OF_WORKER = 32, 16

--- Takes as many descriptors as this process may have, and lets
--- limits.connections be no more than that; says so if the script asked for more.
---@param settled table<string, any> the app's options
---@param asked integer|nil the limit that somebody has set
function admission.clamp(settled, asked)
  local index, count = core.worker()
  local descriptors = core.raise_descriptors()
  local most = math.max(1, descriptors - SPARE - SPARE_OF_WORKER * count)
  if descriptors == 0 or settled["limits.connections"] <= most then return end
  if asked and index == 1 then
    log.warn(("limits.connections = %d: this process may have %d descriptors, so it takes %d "
      .. "connections at most; raise LimitNOFILE or ulimit -n")
      :format(asked, descriptors, most))
  end
  settled["limits.connections"] = most
end

--- Gives a worker its share of what the process takes in a second.
---@param settled table<string, any> the app's options
function admission.share(settled)
  local _, count = core.worker()
  settled["limits.handshakes"] = math.ceil(settled["limits.handshakes"] / count)
end

return admission
