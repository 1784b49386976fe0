-- For specs of what an app provides: values and services that note what becomes
-- of them, and messages without their lines.

local neap = require "neap"

local provided = {}

--- The text of an error with each line of a spec, or of this file, as LINE.
function provided.without_lines(text)
  return (tostring(text):gsub("%f[%w./][%w_./]*spec/%w+/[%w_]+%.lua:%d+", "LINE"))
end

--- The third of three values: the code of an outcome.
function provided.code_of(...)
  return (select(3, ...))
end

-- What is provided, and a list of what was made (+) and disposed of (-).
function provided.value(app, name, lifetime, given)
  given = given or {}
  local list = app.list or {}
  app.list = list
  app:provide(name, {
    lifetime = lifetime, needs = given.needs,
    make = given.make or function()
      list[#list + 1] = "+" .. name
      return { name = name }
    end,
    dispose = given.dispose or function() list[#list + 1] = "-" .. name end,
  })
  return list
end

--- An app, and a function that adds services to it, which note their starts (+)
--- and stops (-) in `list`.
function provided.services(list)
  local app = neap.app()
  return app, function(name, given)
    given = given or {}
    app:service {
      name = name, needs = given.needs, restart = given.restart, each_worker = given.each_worker,
      start = function(scope, ...)
        list[#list + 1] = "+" .. name
        if given.start then return given.start(scope, ...) end
      end,
      stop = function(seconds)
        list[#list + 1] = "-" .. name
        if given.stop then given.stop(seconds) end
      end,
    }
  end
end

return provided
