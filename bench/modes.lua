-- What is measured: a name, what a cell counts, and the words of the load. kind
-- chooses how servers are started for it; workers: also one worker against several;
-- own: of neap alone, since peers have no such routes.

local FEED = " --path /feed --pub-path /publish"

local function topics(count)
  local path = "/topics/" .. count
  return ("fanout -n 1 -s 100 -d 16 --path %s --pub-path %s/publish"):format(path, path)
end

return {
  { "echo 20 B, depth 1, 64 connections", "msg", "echo -n 64 -s 20 -d 1", workers = true },
  { "echo 20 B, depth 1, 1,000 connections", "msg", "echo -n 1000 -s 20 -d 1" },
  { "echo 20 B, depth 1, 18,000 connections", "msg", "echo -n 18000 -s 20 -d 1 --srcs 4" },
  { "echo 20 B, depth 16", "msg", "echo -n 64 -s 20 -d 16", workers = true },
  { "echo 1 KiB, depth 4", "msg", "echo -n 64 -s 1024 -d 4" },
  { "echo 64 KiB, depth 2", "msg", "echo -n 16 -s 65536 -d 2" },
  { "echo 1 MiB, depth 1", "msg", "echo -n 4 -s 1048576 -d 1" },
  { "fan-out 1 to 1000, 100 B", "msg", "fanout -n 1000 -s 100 -d 1" .. FEED, workers = true },
  { "fan-out, 16 in flight", "msg", "fanout -n 1000 -s 100 -d 16" .. FEED, workers = true },
  { "publish to 1 topic", "msg", topics(1), own = true },
  { "publish to one of 1,000 topics", "msg", topics(1000), own = true },
  { "publish to one of 100,000 topics", "msg", topics(100000), own = true },
  { "connect, 1 message, close", "conn", "churn -n 32 -s 20" },
  { "idle, bytes of a connection", "byte", "idle -n 5000 --hold 2" },
  { "TLS echo 20 B, depth 1", "msg", "echo -n 64 -s 20 -d 1 --tls", kind = "tls" },
  { "TLS echo 16 KiB, depth 1", "msg", "echo -n 64 -s 16384 -d 1 --tls", kind = "tls" },
  { "TLS connect and close", "conn", "churn -n 32 -s 20 --tls", kind = "tls" },
  { "TLS idle, bytes of a connection", "byte", "idle -n 2000 --hold 2 --tls", kind = "tls" },
  { "deflate echo 1 KiB, depth 4", "msg", "echo -n 64 -s 1024 -d 4 --text --json --deflate",
    kind = "deflate" },
  { "deflate idle, after a message", "byte", "idle -n 2000 --hold 2 --touch --deflate",
    kind = "deflate" },
}
