--- Answers: what a handler returns, checked and put on the wire.
--
-- An answer is a plain value {status, headers, body} until the pipeline has
-- run to its end, so middleware can look at it and add to it on the way out.
-- Other kinds of answers have these too, and deliver themselves.

local core = require "neap.core"
local site = require "neap.site"
local suggest = require "neap.suggest"

local response = {}

local answer_mt = { __name = "neap.answer" }

local kinds = { [answer_mt] = true }

--- Makes the values with this metatable answers, too. They have a method
--- deliver(req, block), where the block is what the headers make.
---@param mt table
function response.add_kind(mt)
  kinds[mt] = true
end

-- Most answers have no header but their content type, and nobody looks at it.
function answer_mt.__index(answer, key)
  if key ~= "headers" then return nil end
  local headers = { ["Content-Type"] = rawget(answer, "kind") }
  rawset(answer, key, headers)
  return headers
end

-- These say how the connection is used, which neap alone knows.
local RESERVED = {
  ["content-length"] = true, ["transfer-encoding"] = true, connection = true,
  date = true, ["sec-websocket-accept"] = true, ["sec-websocket-protocol"] = true,
  ["sec-websocket-extensions"] = true,
}

-- Returns what is wrong with one header, or nil.
local function find_fault(name, value)
  if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then
    return ("%q is no header name"):format(tostring(name))
  end
  if RESERVED[name:lower()] then
    return ("header %s is set by neap itself"):format(name)
  end
  if type(value) ~= "string" and type(value) ~= "number" then
    return ("header %s must be a string, not %s"):format(name, type(value))
  end
  if tostring(value):find("[\r\n%z]") then
    return ("header %s holds a line break or NUL"):format(name)
  end
end

local function each_header(headers)
  local lines = {}
  for name, value in pairs(headers) do
    local values = type(value) == "table" and value or { value }
    for _, one in ipairs(values) do lines[#lines + 1] = { name, one } end
  end
  return lines
end

local function check_headers(headers)
  for _, line in ipairs(each_header(headers)) do
    local fault = find_fault(line[1], line[2])
    if fault then site.fail("%s", fault) end
  end
end

--- Returns `headers` as complete lines, sorted by name.
---@param headers table<string, string|string[]>|nil
---@param more string[]|nil complete lines that are sent as well
---@return string block raises when a header can't be sent
function response.block(headers, more)
  if more then return response.block(headers) .. table.concat(more) end
  if not headers or next(headers) == nil then return "" end
  local lines = each_header(headers)
  for i, line in ipairs(lines) do
    local fault = find_fault(line[1], line[2])
    if fault then error(fault, 0) end
    lines[i] = ("%s: %s\r\n"):format(line[1], line[2])
  end
  table.sort(lines)
  return table.concat(lines)
end

--- Returns one header as a complete line; raises at the script's line when it
--- can't be sent.
---@param name string
---@param value string|number
---@return string line
function response.line(name, value)
  local fault = find_fault(name, value)
  if fault then site.fail("%s", fault) end
  return ("%s: %s\r\n"):format(name, value)
end

local function has_header(headers, wanted)
  for name in pairs(headers) do
    if type(name) == "string" and name:lower() == wanted then return true end
  end
  return false
end

local function check_status(status, least, most)
  if math.type(status) == "integer" and status >= least and status <= most then return end
  site.fail("a status must be a whole number from %d to %d, not %s", least, most, tostring(status))
end

--- Makes an answer; raises at the script's line when a part of it is wrong.
---@param status integer 200 to 599
---@param kind string|nil the content type, unless `headers` has one
---@param body string|fun(): string|nil or what makes one piece after another
---@param headers table<string, string|string[]>|nil
---@return table answer
function response.new(status, kind, body, headers)
  check_status(status, 200, 599)
  if type(body) ~= "string" then site.expect(body, "string or function", "the body") end
  site.expect(headers, "table or nil", "headers")
  local answer = { status = status, body = body, kind = kind }
  if type(body) == "function" then answer.deliver = response.send_pieces end
  if not headers then return setmetatable(answer, answer_mt) end
  local own = {}
  for name, value in pairs(headers) do own[name] = value end
  if kind and not has_header(own, "content-type") then own["Content-Type"] = kind end
  check_headers(own)
  answer.headers = own
  return setmetatable(answer, answer_mt)
end

--- Makes an answer of plain text.
---@param status integer
---@param body string
---@param headers table|nil
---@return table answer
function response.text(status, body, headers)
  return (response.new(status, "text/plain; charset=utf-8", body, headers))
end

--- Makes an answer that refuses: its phrase, or `message`, as text.
---@param status integer 400 to 599
---@param message string|nil
---@param headers table|nil
---@return table answer
function response.refuse(status, message, headers)
  check_status(status, 400, 599)
  return (response.text(status, (message or core.reason(status)) .. "\n", headers))
end

--- The answer that lets a WebSocket in; the pipeline carries it out at its end.
---@param data any what becomes conn.data
---@param protocol string|nil the subprotocol chosen
---@return table answer
function response.upgrade(data, protocol)
  return setmetatable({ status = 101, data = data, protocol = protocol }, answer_mt)
end

--- Says whether `value` came from response.new and its like.
---@param value any
---@return boolean
function response.is_answer(value)
  return kinds[getmetatable(value)] or false
end

local PARTS = { "status", "headers", "body" }

local function from_table(given)
  for name in pairs(given) do
    if name ~= "status" and name ~= "headers" and name ~= "body" then
      error(("unknown part %s of an answer%s"):format(tostring(name), suggest.hint(name, PARTS)), 0)
    end
  end
  return (response.text(given.status or 200, given.body or "", given.headers))
end

--- Turns what a handler returned into an answer.
---@param value any an answer, a string, or a table {status, headers, body}; a body may be
---  a function that returns one piece after another, and nil at the end
---@return table|nil answer nil when the value is none of these
function response.from(value)
  if response.is_answer(value) then return value end
  if type(value) == "string" then return response.text(200, value) end
  if type(value) == "table" and getmetatable(value) == nil then return (from_table(value)) end
  return nil
end

local line_of_kind = setmetatable({}, {
  __index = function(lines, kind)
    lines[kind] = response.block { ["Content-Type"] = kind }
    return lines[kind]
  end,
})

local function block_of(answer, more)
  local headers = rawget(answer, "headers")
  if headers or more then return response.block(headers or answer.headers, more) end
  local kind = rawget(answer, "kind")
  return kind and line_of_kind[kind] or ""
end

--- Sends `answer`.
---@param req userdata
---@param answer table
---@param more string[]|nil complete header lines that are sent as well
---@return boolean|nil ok
---@return string|nil message
---@return string|nil code
function response.send(req, answer, more)
  local status, block, deliver = answer.status, block_of(answer, more), answer.deliver
  if deliver then return deliver(answer, req, block) end
  return req:answer(status, block, answer.body)
end

return response
