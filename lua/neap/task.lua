--- Tasks: coroutines that the loop resumes, each owned by a scope.

local closer = require "neap.closer"
local core = require "neap.core"
local log = require "neap.log"
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
---@return table|nil handle, or nil, message, "closed"
function task.spawn(fn, ...)
  local own = scope.current()
  if not own then site.fail("neap.spawn: wrap it in neap.run(function() ... end)") end
  local handle, message, code = own:spawn(fn, ...)
  return handle, message, code
end

-- The first error ends the others, and is what neap.run raises.
local function make_root(outcome)
  local root
  root = scope.new {
    label = "run",
    on_error = function(err, trace)
      if outcome.failed then
        return log.error("error in a task: " .. tostring(err), { trace = trace })
      end
      outcome.failed, outcome.err, outcome.trace = true, err, trace
      root:close { cause = "error" }
    end,
  }
  local why = { cause = "closed", age = false } -- made now: its end takes no memory
  root.on_empty = function() closer.begin(root, why) end
  root.on_closed = core.stop
  return root
end

-- The loop has nothing left that could wake the root's tasks, or somebody has
-- stopped it: what is left is cancelled.
local function finish(root)
  if root.state == "open" then
    log.warn "neap.run: nothing can wake the tasks that wait: they are cancelled"
  end
  root:close { cause = "cancelled" }
  for _ = 1, 100 do
    if root.state == "closed" then return end
    core.run()
  end
end

-- A message gets the task's traceback, since it says where neap.run's can't.
local function raise(outcome)
  local is_text = type(outcome.err) == "string"
  error(is_text and outcome.trace or outcome.err, 0)
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
  if not select(2, coroutine.running()) then
    site.fail("neap.run: call it from the main chunk, not from a coroutine")
  end
  local outcome, results = { failed = false, err = false, trace = false }, nil
  local root = make_root(outcome)
  local started, message = pcall(root.spawn, root,
    function(...) results = table.pack(fn(...)) end, ...)
  if not started then
    root:close()
    error(message, 0)
  end
  core.run()
  if root.state ~= "closed" then finish(root) end
  if outcome.failed then raise(outcome) end
  if not results then return nil, "neap.run was stopped", "cancelled" end
  return table.unpack(results, 1, results.n)
end

return task
