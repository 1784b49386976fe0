-- An HTTP client on a raw socket, for specs that need not be well-behaved.
--
--   local peer <close> = http.connect(port)
--   peer:send "GET / HTTP/1.1\r\n…"
--   local answer = peer:read_answer()   {status=, body=, ["content-type"]=, …}

local socket = require "socket"

local http = {}

local methods = {}
local mt = { __name = "spec.http", __index = methods }

--- Connects; every wait is bounded by `timeout` seconds.
function http.connect(port, timeout)
  local tcp = assert(socket.connect("127.0.0.1", port))
  tcp:settimeout(timeout or 30)
  return setmetatable({ tcp = tcp }, mt)
end

function methods:send(bytes)
  return self.tcp:send(bytes)
end

function methods:close()
  self.tcp:close()
end

mt.__close = methods.close

local function read_chunks(self)
  local pieces = {}
  while true do
    local line = self.tcp:receive "*l"
    local size = tonumber(line and line:match "^%x+" or "", 16)
    if not size then return table.concat(pieces), "cut off" end
    pieces[#pieces + 1] = size > 0 and self.tcp:receive(size) or ""
    self.tcp:receive "*l"
    if size == 0 then return table.concat(pieces) end
  end
end

local function read_body(self, answer)
  local length = tonumber(answer["content-length"])
  if length then return length == 0 and "" or (self.tcp:receive(length)) end
  if answer["transfer-encoding"] == "chunked" then return read_chunks(self) end
  if answer.status == 204 or answer.status == 304 then return "" end
  return self:read_all()
end

--- The head of an answer, names in lower case; nil at the end.
function methods:read_head()
  local line = self.tcp:receive "*l"
  local status = line and line:match "^HTTP/1%.1 (%d%d%d) "
  if not status then return nil, line or "no answer" end
  local answer = { status = math.tointeger(status) }
  for field in function() return self.tcp:receive "*l" end do
    if field == "" then return answer end
    local name, value = field:match "^([^:]+): (.*)$"
    answer[name:lower()] = value
  end
  return nil, "an answer that is cut off"
end

--- A whole answer; `is_head` for one that has no body though it says a length.
function methods:read_answer(is_head)
  local answer, message = self:read_head()
  if not answer then return nil, message end
  if is_head then
    answer.body = ""
  else
    answer.body, answer.fault = read_body(self, answer)
  end
  return answer
end

--- Everything up to the end of the connection.
function methods:read_all()
  local data, _, partial = self.tcp:receive "*a"
  return data or partial
end

--- Whether the server ends the connection before the time-out.
function methods:is_ended()
  local data, err = self.tcp:receive(1)
  return data == nil and err == "closed"
end

return http
