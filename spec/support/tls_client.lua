-- The openssl command as a TLS client of a server under test.

local server = require "spec.support.server"

local tls_client = {}

local function run(command)
  local pipe <close> = assert(io.popen(("env -u LD_PRELOAD timeout 20 sh -c %q 2>&1"):format(
    command)))
  return pipe:read "a"
end

--- Shakes hands with a server and ends; returns all that openssl says of it.
function tls_client.connect(port, words)
  return run(("openssl s_client -connect 127.0.0.1:%d %s </dev/null"):format(port, words or ""))
end

--- The same, with an HTTP request over it.
function tls_client.get(port, path, words)
  local request = ([[GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n]]):format(path)
  return run(("printf '%s' | openssl s_client -quiet -ign_eof -connect 127.0.0.1:%d %s"):format(
    request, port, words or ""))
end

--- Shakes hands and asks to do so again: stdin has no end, so openssl goes on until
--- it has an answer.
function tls_client.renegotiate(port)
  local fifo = server.temporary ".fifo"
  local said = run(("mkfifo %s; (echo R >&3; exec openssl s_client -tls1_2 "
    .. "-connect 127.0.0.1:%d <&3) 3<>%s"):format(fifo, port, fifo))
  os.remove(fifo)
  return said
end

tls_client.run = run

return tls_client
