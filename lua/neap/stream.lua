--- Answers in parts: a stream that a handler writes to, or a function that makes
--- one piece after another.
--
-- The head leaves with the first part. Until then the answer is like any other:
-- middleware may still add to it. What fails behind the head can only be cut off.

local core = require "neap.core"
local response = require "neap.response"
local site = require "neap.site"

local stream = {}

local methods = {}
local mt = { __name = "neap.stream", __index = methods }

response.add_kind(mt)

--- Makes a stream for a request; no byte is sent yet.
---@param req userdata
---@param status integer
---@param kind string|nil the content type, unless `headers` has one
---@param headers table|nil
---@param run fun(self)|nil writes it, once the answer has passed the middleware
---@return table
function stream.new(req, status, kind, headers, run)
  local answer = response.new(status, kind, "", headers)
  local self = { status = status, headers = answer.headers, body = "" }
  self.req, self.run = req, run
  core.env(req)._stream = self
  return setmetatable(self, mt)
end

--- Sends the head, once.
---@param self table
---@param block string|nil its header lines
---@return boolean|nil ok, or nil, message, code
---@return string|nil message
---@return string|nil code
function stream.begin(self, block)
  if self.is_over then return nil, "the answer has ended", "closed" end
  if self.is_begun then return true end
  block = block or self.block or response.block(self.headers, core.env(self.req)._lines)
  local ok, message, code = core.begin_answer(self.req, self.status, block, self.is_watched)
  self.is_begun = true
  return ok, message, code
end

--- Leaves the answer without its end, so that nobody takes it for whole.
---@param self table
---@return nil, string, string
function stream.cut(self)
  self.is_over = true
  core.cut_answer(self.req)
  return nil, "the answer was cut off", "closed"
end

--- Sends more of the answer; waits while the client has no room for it.
---@param data string
---@return true|nil ok, or nil, message, code
---@return string|nil message
---@return string|nil code "closed" once the client is gone
function methods:write(data)
  site.expect(data, "string", "stream:write's argument")
  local ok, message, code = stream.begin(self)
  if ok then ok, message, code = core.write_answer(self.req, data) end
  return ok, message, code
end

--- Ends the answer. The return of its handler does that, too.
---@return true|nil ok, or nil, message, code
---@return string|nil message
---@return string|nil code
function methods:close()
  if self.is_over then return true end
  local ok, message, code = stream.begin(self)
  self.is_over = true
  if ok then ok, message, code = core.end_answer(self.req) end
  return ok, message, code
end

function mt.__close(self, err)
  if err == nil then return methods.close(self) end
  return stream.cut(self)
end

function mt:__tostring()
  return "neap.stream" .. (self.is_over and " (closed)" or "")
end

-- A task that was told to end has written what it could, not all.
local function is_cancelled(req)
  local own = rawget(core.env(req), "scope")
  return own and own:cancelled()
end

--- What the pipeline does with it at its end.
function methods:deliver(req, block)
  self.block = block
  if not self.is_broken and self.run and req.method ~= "HEAD" then self:run() end
  if self.is_broken or is_cancelled(req) then return stream.cut(self) end
  return methods.close(self)
end

local function next_piece(make)
  local piece = make()
  if piece == nil or type(piece) == "string" then return piece end
  error(("the body's function returned a %s, not a string"):format(type(piece)), 0)
end

-- The first piece is made before the head leaves: an error in it is still a 500.
local function send_pieces(answer, req, block)
  local make, out = answer.body, setmetatable({ req = req, status = answer.status }, mt)
  core.env(req)._stream = out
  local piece = next_piece(make)
  local ok, message, code = stream.begin(out, block)
  while ok and piece do
    ok, message, code = core.write_answer(req, piece)
    if ok then piece = next_piece(make) end
  end
  if not ok then return nil, message, code end
  return methods.close(out)
end

response.send_pieces = send_pieces

return stream
