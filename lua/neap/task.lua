--- Tasks: coroutines that the loop resumes, each owned by a scope.

local core = require "neap.core"
local scope = require "neap.scope"
local site = require "neap.site"

local task = {}

core.hook("adopt", function(owner, adopted)
  scope.of(owner):adopt(adopted)
end)

--- Suspends the task for a time.
---@param seconds number
---@return true|nil ok, or nil, message, "cancelled" when its scope ended
---@return string|nil message
---@return string|nil code
task.sleep = core.sleep

--- Starts a task in the scope of the running one.
---@param fn function
---@param ... any its arguments
---@return table handle
function task.spawn(fn, ...)
  local own = scope.current()
  if not own then site.fail("neap.spawn: wrap it in neap.run(function() ... end)") end
  local handle, message, code = own:spawn(fn, ...)
  return handle, message, code
end

local function make_root(outcome)
  local root
  root = scope.new {
    label = "run",
    on_error = function(err, trace)
      if not outcome.failed then outcome.failed, outcome.err, outcome.trace = true, err, trace end
      root:close { cause = "error" }
    end,
  }
  root.on_empty = function() root:close() end
  root.on_closed = core.stop
  return root
end

--- Runs `fn` as a task until it and all that it spawned have ended. An error in
--- one of these ends the others and is raised here.
---@param fn function
---@param ... any its arguments
---@return any ... what fn returned
function task.run(fn, ...)
  site.expect(fn, "function", "neap.run's argument")
  if core.is_running() then
    site.fail("neap.run: the loop is running already; use neap.spawn")
  end
  local outcome, results = {}, nil
  local root = make_root(outcome)
  root:spawn(function(...) results = table.pack(fn(...)) end, ...)
  core.run()
  if outcome.failed then error(outcome.err, 0) end
  if not results then return nil, "cancelled", "cancelled" end
  return table.unpack(results, 1, results.n)
end

return task
