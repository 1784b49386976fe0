--- The tide: a service that feeds a topic while the app lives. A real one would
--- hold a connection to a gauge; this one reckons.
local json = require "dkjson"

local tide = {}

local SECONDS = 12.42 * 60 * 60 -- from one high water to the next

--- Returns the height of the water in metres.
function tide.height(now)
  return 4 + 3 * math.cos(2 * math.pi * now / SECONDS)
end

--- Tells all who are subscribed to "tide", once a second.
function tide.serve(app)
  app:service {
    name = "tide", restart = true,
    start = function(scope)
      scope:every(1, function()
        local metres = ("%.3f"):format(tide.height(os.time()))
        app:publish("tide", json.encode { type = "tide", metres = metres })
      end)
    end,
  }
end

return tide
