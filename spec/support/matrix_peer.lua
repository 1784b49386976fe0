-- A peer on a raw socket that never blocks: it lives in the process of the
-- server that it tries, and does only what it is told.
--
--   peer.answers   what it does by itself in peer:pump(): pongs, the answer to
--                  a Close, the end of TCP; without it the peer reads on mutely
--   peer.reads     false: it leaves all in the socket

local server = require "spec.support.server"
local ws = require "spec.support.ws"

local peer_methods = {}
local peer_mt = { __index = peer_methods }
local matrix_peer = {}

local wrap_tls

-- Built once a process: TLS that neither blocks nor closes.
local function load_tls()
  local library = server.temporary ".so"
  local flags = io.popen("env -u LD_PRELOAD pkg-config --cflags lua5.4"):read "l"
  assert(os.execute(("env -u LD_PRELOAD cc -shared -fPIC -Wl,-z,nodelete %s -o %s %s -lssl"):format(
    flags, library, "spec/support/tls_peer.c")))
  wrap_tls = assert(package.loadlib(library, "luaopen_tls_peer"))()
  os.remove(library)
end

--- Connects, and sends nothing.
function matrix_peer.dial(port)
  local self = setmetatable({ reads = true, answers = true, rest = "" }, peer_mt)
  self.tcp = ws.dial(port).tcp
  self.tcp:settimeout(0)
  self.port = port
  return self
end

--- Takes a connection that was accepted, and is its server: it sends no masks, and
--- answers the request for an upgrade once it has come.
function matrix_peer.serve(tcp, codec)
  tcp:settimeout(0)
  return setmetatable({ tcp = tcp, codec = codec, mask = false, reads = true, answers = true,
    rest = "" }, peer_mt)
end

--- Whether anything has come, which it keeps.
function peer_methods:has_input()
  local data, _, partial = self.tcp:receive(1 << 16)
  self.rest = self.rest .. (data or partial or "")
  return self.rest ~= ""
end

--- Lays TLS over the connection; is_secure() tells whether the handshake is done.
function peer_methods:start_tls()
  if not wrap_tls then load_tls() end
  self.tls = wrap_tls(self.tcp:getfd())
end

function peer_methods:is_secure()
  return self.tls:dohandshake()
end

local function answer_upgrade(self)
  local key = self.rest:match "Sec%-WebSocket%-Key: (%S+)\r\n.*\r\n\r\n$"
  if not key then return end
  self.status, self.rest = 101, ""
  self:raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    .. "Sec-WebSocket-Accept: " .. self.codec.accept_key(key) .. "\r\n\r\n")
end

--- Sends an upgrade request, or its first bytes.
function peer_methods:ask(path, bytes)
  if self.codec then return end
  self:raw(ws.head(self.port, path):sub(1, bytes or -1))
end

--- Sends bytes as they are; what the socket does not take is dropped.
function peer_methods:raw(bytes)
  local to = self.tls or self.tcp
  if self.tcp then to:send(bytes) end
end

function peer_methods:frame(opcode, payload)
  self:raw(ws.frame { opcode = opcode, payload = payload, mask = self.mask })
end

function peer_methods:send_close(code)
  self.has_sent_close = true
  self:frame(ws.CLOSE, code and string.pack(">I2", code) or "")
end

--- Ends its direction of the stream.
function peer_methods:fin()
  if self.tcp then self.tcp:shutdown "send" end
end

function peer_methods:reset()
  if not self.tcp then return end
  self.tcp:setoption("linger", { on = true, timeout = 0 })
  self:close()
end

function peer_methods:close()
  if self.tcp then self.tcp:close() end
  self.tcp = nil
end

local function unmask(payload, key)
  local out = {}
  for i = 1, #payload do out[i] = string.char(payload:byte(i) ~ key:byte((i - 1) % 4 + 1)) end
  return table.concat(out)
end

local function take_frame(self)
  local first, second = self.rest:byte(1, 2)
  if not second then return nil end
  local length, at = second & 0x7f, 3
  if length > 125 then
    local format = length == 126 and ">I2" or ">I8"
    if #self.rest < 1 + (length == 126 and 3 or 9) then return nil end
    length, at = string.unpack(format, self.rest, 3)
  end
  local key = second & 0x80 ~= 0 and self.rest:sub(at, at + 3)
  if key then at = at + 4 end
  if #self.rest < at + length - 1 then return nil end
  local payload = self.rest:sub(at, at + length - 1)
  if key and first & 8 ~= 0 then payload = unmask(payload, key) end
  self.rest = self.rest:sub(at + length)
  return first & 0x0f, payload
end

-- A ping that has a payload is a script's, and waits for ever.
local function react(self, opcode, payload)
  if opcode == ws.CLOSE then
    self.close_code = #payload > 1 and string.unpack(">I2", payload) or 1005
  end
  if not self.answers then return end
  if opcode == ws.PING and payload == "" then self:frame(ws.PONG, "") end
  if opcode == ws.CLOSE and not self.has_sent_close then
    self:send_close(self.close_code ~= 1005 and self.close_code or nil)
  end
end

local function take_head(self)
  if self.codec then return answer_upgrade(self) end
  local stop = select(2, self.rest:find("\r\n\r\n", 1, true))
  if not stop then return end
  self.status = tonumber(self.rest:match "^HTTP/1.1 (%d+)")
  self.rest = self.rest:sub(stop + 1)
end

--- Reads what has come, and reacts.
function peer_methods:pump()
  if not self.tcp or not self.reads then return end
  local data, err, partial = (self.tls or self.tcp):receive(1 << 20)
  self.rest = self.rest .. (data or partial or "")
  if not self.status then take_head(self) end
  if self.status == 101 then
    for opcode, payload in take_frame, self do react(self, opcode, payload) end
  end
  if err == "closed" then
    self.is_ended = true
    if self.answers then self:close() end
  end
end

return matrix_peer
