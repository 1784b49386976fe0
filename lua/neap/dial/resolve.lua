--- The addresses of a host name. One question for all who ask the same at the
--- same time, so many questions at most, and none that nobody waits for.

local core = require "neap.core"
local socket = require "neap.dial.socket"
local url = require "neap.url"
local wait = require "neap.wait"

local resolve = {}

local MOST = 16 -- questions under way; others wait for their turn

local questions = {} -- by name
local queue = {}
local running = 0

local ask_next

local function finish(question, ...)
  questions[question.name] = nil
  running = running - 1
  question.place:wake_all(...)
  ask_next()
end

local function ask(question)
  running = running + 1
  local message, code
  question.lookup, message, code = core.lookup(question.name, function(...)
    finish(question, ...)
  end)
  if not question.lookup then finish(question, nil, message, code) end
end

function ask_next()
  while running < MOST and queue[1] do ask(table.remove(queue, 1)) end
end

local function forget_queued(question)
  for i, other in ipairs(queue) do
    if other == question then return table.remove(queue, i) end
  end
end

-- The last one who waits takes the question back.
local function leave(question)
  question.waiters = question.waiters - 1
  if question.waiters > 0 or questions[question.name] ~= question then return end
  questions[question.name] = nil
  if not question.lookup then return forget_queued(question) end
  question.lookup:close()
  running = running - 1
  ask_next()
end

local question_mt = { __close = leave }

local function join(name)
  local question = questions[name]
  if not question then
    question = setmetatable({ name = name, place = wait.place(), waiters = 0 }, question_mt)
    questions[name] = question
    queue[#queue + 1] = question
    ask_next()
  end
  question.waiters = question.waiters + 1
  return question
end

--- Returns the addresses of a name, in the order of the system's preference;
--- waits. A numeric address is its own.
---@param name string
---@param deadline number
---@return string[]|nil addresses, or nil, message, code
---@return string|nil message
---@return string|nil code
function resolve.addresses(name, deadline)
  if url.is_address(name) then return { name } end
  local question <close> = join(name)
  local found, message, code = question.place:wait(socket.left(deadline))
  if found then return found end
  if code == "timeout" then message = "the name server did not answer in time" end
  return nil, ("%s: %s"):format(name, message), code
end

return resolve
