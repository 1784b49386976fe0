-- The bench's jobs for lua-resty-websocket, in LuaJIT: nginx.sh has nginx call
-- serve for each connection.
local semaphore = require "ngx.semaphore"
local server = require "resty.websocket.server"

local HOUR = 3600

local feed = {} -- of each reader the messages that wait for it
local jobs = {}

local function next_message(socket)
  while true do
    local data, kind = socket:recv_frame()
    if kind == "text" or kind == "binary" then return data, kind end
    if kind == "ping" then socket:send_pong(data) end
    if kind == "close" then socket:send_close() end
    if not data or kind == "close" then return nil end
  end
end

local function send(socket, data, kind)
  return socket["send_" .. kind](socket, data)
end

local function send_waiting(socket, waiting)
  local first = 1
  while waiting.wake:wait(HOUR) do
    local message = waiting[first]
    waiting[first], first = nil, first + 1
    if not send(socket, message[1], message[2]) then return end
  end
end

jobs["/"] = function(socket)
  for data, kind in next_message, socket do send(socket, data, kind) end
end

jobs["/feed"] = function(socket)
  local waiting = { wake = semaphore.new(), last = 0 }
  feed[waiting] = true
  local sender = ngx.thread.spawn(send_waiting, socket, waiting)
  while next_message(socket) do end
  feed[waiting] = nil
  ngx.thread.kill(sender)
end

jobs["/publish"] = function(socket)
  for data, kind in next_message, socket do
    local message = { data, kind }
    for waiting in pairs(feed) do
      waiting.last = waiting.last + 1
      waiting[waiting.last] = message
      waiting.wake:post()
    end
  end
end

local M = {}

function M.serve()
  local socket = server:new { timeout = HOUR * 1000, max_payload_len = 16 * 1024 * 1024 }
  if socket then jobs[ngx.var.uri](socket) end
end

return M
