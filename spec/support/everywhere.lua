-- Calls start() first in each coroutine of neap's, since a hook belongs to one.

--- Wraps what makes coroutines in neap.core.
---@param core table
---@param start fun()
return function(core, start)
  local function started(fn)
    return fn and function(...)
      start()
      return fn(...)
    end
  end

  local task, route, listen = core.task, core.route, core.listen

  function core.task(owner, fn, ...)
    return task(owner, started(fn), ...)
  end

  function core.route(given)
    for _, name in ipairs { "task", "open", "message", "writable", "close", "error" } do
      given[name] = started(given[name])
    end
    return route(given)
  end

  function core.listen(given)
    given.on_request = started(given.on_request)
    return listen(given)
  end
end
