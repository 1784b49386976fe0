-- A WebSocket client on a raw socket, for specs that need not be well-behaved.
--
-- It blocks, for at most `timeout` seconds, and checks nothing that it sends.
-- Answers are frames: {opcode=, fin=, rsv=, masked=, payload=}.

local socket = require "socket"

local ws = { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 }

-- RFC 6455, section 1.3: a key and the only right answer to it.
local KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

local client_methods = {}
local client_mt = { __name = "spec.client", __index = client_methods }

--- The bytes of a frame. `opcode` and `payload` are what they say; the rest
--- breaks rules: `fin = false`, `rsv` (0–7), `mask = false`, `size` ("16" or
--- "64": the form of the length), `length` (claimed instead of the real one).
function ws.frame(frame)
  local payload = frame.payload or ""
  local length = frame.length or #payload
  local first = (frame.fin == false and 0 or 0x80) | (frame.rsv or 0) << 4
    | frame.opcode
  local mask = frame.mask == false and 0 or 0x80
  local size = frame.size or (length > 65535 and "64") or (length > 125 and "16")
  local head
  if size == "64" then
    head = string.pack(">BBI8", first, mask | 127, length)
  elseif size == "16" then
    head = string.pack(">BBI2", first, mask | 126, length)
  else
    head = string.pack("BB", first, mask | length)
  end
  if mask == 0 then return head .. payload end
  return head .. "\x37\xfa\x21\x3d" .. ws.mask(payload)
end

--- Masks a payload with the key that `frame` uses (RFC 6455, section 5.7).
function ws.mask(payload)
  local key = { 0x37, 0xfa, 0x21, 0x3d }
  local out = {}
  for i = 1, #payload do
    out[i] = string.char(payload:byte(i) ~ key[(i - 1) % 4 + 1])
  end
  return table.concat(out)
end

--- The head of an upgrade request. `headers` replaces or (with false) leaves
--- out the usual fields; its array part adds whole lines.
function ws.head(port, path, headers)
  headers = headers or {}
  local lines = { ("%s %s HTTP/1.1"):format(headers.method or "GET", path) }
  local usual = {
    { "Host", "127.0.0.1:" .. port }, { "Upgrade", "websocket" },
    { "Connection", "Upgrade" }, { "Sec-WebSocket-Key", KEY },
    { "Sec-WebSocket-Version", "13" },
  }
  for _, field in ipairs(usual) do
    local value = headers[field[1]]
    if value == nil then value = field[2] end
    if value then lines[#lines + 1] = field[1] .. ": " .. value end
  end
  table.move(headers, 1, #headers, #lines + 1, lines)
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

--- A TCP connection to the server, before any byte is sent.
function ws.dial(port, timeout)
  local tcp = assert(socket.tcp())
  tcp:settimeout(timeout or 30)
  assert(tcp:connect("127.0.0.1", port))
  tcp:setoption("tcp-nodelay", true)
  return setmetatable({ tcp = tcp, rest = "" }, client_mt)
end

--- Opens a WebSocket; raises when the answer is not a proper 101.
function ws.connect(port, path, headers)
  local self = ws.dial(port)
  self:raw(ws.head(port, path or "/", headers))
  self.response = self:read_head()
  assert(self.response.status == 101, "answered " .. tostring(self.response.status))
  assert(self.response["sec-websocket-accept"] == ACCEPT, "wrong accept key")
  return self
end

local function read_exactly(self, count)
  if count == 0 then return "" end
  return self.tcp:receive(count)
end

--- Sends bytes, waits for the end of the connection, or of the answer if the
--- connection stays, and returns the answer:
--- {status=, reason=, body=, [lower-case field name]=}; nil when none came.
function ws.ask(port, bytes, timeout)
  local self <close> = ws.dial(port, timeout)
  self:raw(bytes)
  local answer = self:read_head()
  if not answer then return nil end
  local length = answer.connection ~= "close" and tonumber(answer["content-length"])
  answer.body = length and read_exactly(self, length) or self:read_all()
  return answer
end

--- Sends bytes as they are, all at once.
function client_methods:raw(bytes)
  return self.tcp:send(bytes)
end

--- Sends bytes one at a time.
function client_methods:trickle(bytes)
  for i = 1, #bytes do
    if not self.tcp:send(bytes:sub(i, i)) then return end
  end
end

function client_methods:send(payload, opcode)
  return self:raw(ws.frame { opcode = opcode or ws.TEXT, payload = payload })
end

--- Sends a Close frame; no code makes an empty one.
function client_methods:send_close(code, reason)
  local payload = code and string.pack(">I2", code) .. (reason or "") or ""
  return self:raw(ws.frame { opcode = ws.CLOSE, payload = payload })
end

--- The next frame, or nil and "closed" or "timeout".
function client_methods:read()
  local head, err = read_exactly(self, 2)
  if not head then return nil, err end
  local first, second = head:byte(1, 2)
  local length = second & 0x7f
  if length == 126 then
    length = string.unpack(">I2", read_exactly(self, 2))
  elseif length == 127 then
    length = string.unpack(">I8", read_exactly(self, 8))
  end
  local payload
  payload, err = read_exactly(self, length)
  if not payload then return nil, err end
  return {
    opcode = first & 0x0f, fin = first & 0x80 ~= 0, rsv = first >> 4 & 7,
    masked = second & 0x80 ~= 0, payload = payload,
  }
end

--- The payload of the next text or binary frame, and its opcode.
function client_methods:receive()
  local frame, err = self:read()
  if not frame then return nil, err end
  assert(frame.opcode <= ws.BINARY, "got a frame of opcode " .. frame.opcode)
  return frame.payload, frame.opcode
end

--- Reads on until the Close frame and returns its code (1005: none) and
--- reason; nil and the error when the connection ended without one.
function client_methods:read_close()
  local frame, err
  repeat
    frame, err = self:read()
    if not frame then return nil, err end
  until frame.opcode == ws.CLOSE
  if #frame.payload < 2 then return 1005, "" end
  return string.unpack(">I2", frame.payload), frame.payload:sub(3)
end

--- Whether the server ends the connection before the time-out.
function client_methods:is_ended()
  local err
  repeat
    err = select(2, self.tcp:receive(1))
  until err
  return err == "closed"
end

--- Everything up to the end of the connection.
function client_methods:read_all()
  local data, _, partial = self.tcp:receive "*a"
  return data or partial
end

--- The head of an answer, as `ws.ask` returns it, or nil.
function client_methods:read_head()
  local line = self.tcp:receive "*l"
  if not line then return nil end
  local status, reason = line:match "^HTTP/1%.1 (%d%d%d) (.*)$"
  local head = { status = math.tointeger(status), reason = reason }
  for field in function() return self.tcp:receive "*l" end do
    if field == "" then break end
    local name, value = field:match "^([^:]+):%s*(.-)%s*$"
    head[name:lower()] = value
  end
  return head
end

--- Ends the connection: with a FIN, or a reset when `abort` is true.
function client_methods:close(abort)
  if abort == true then
    self.tcp:setoption("linger", { on = true, timeout = 0 })
  end
  self.tcp:close()
end

client_mt.__close = function(self) self.tcp:close() end

return ws
