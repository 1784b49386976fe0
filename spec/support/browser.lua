-- Drives headless Chromium through chromedriver (the W3C WebDriver protocol).
--
--   local b <close> = browser.start()
--   b:open(url)  b:run(script, …)  b:type(css, text)  b:click(css)
--   b:text(css)  b:wait(what, fn)  b:new_window()  b:switch(window)

local json = require "dkjson"
local http = require "socket.http"
local ltn12 = require "ltn12"
local socket = require "socket"

-- Where Debian puts the browser; Chromium's own sandbox wants no root.
local ARGS = {
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
  "--no-first-run", "--disable-background-networking", "--window-size=900,640",
  "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
}
local COMMAND = "echo $$; exec setpriv --pdeathsig TERM -- env -u LD_PRELOAD "
  .. "chromedriver --port=0 2>&1"

local browser_methods = {}
local browser_mt = { __name = "spec.browser", __index = browser_methods }
local browser = {}

local function call(self, method, path, body)
  local text = method == "POST" and json.encode(body or { _ = json.null }) or nil
  local chunks = {}
  local ok, status = http.request {
    method = method,
    url = self.base .. path,
    headers = text and { ["Content-Type"] = "application/json", ["Content-Length"] = #text },
    source = text and ltn12.source.string(text),
    sink = ltn12.sink.table(chunks),
  }
  if not ok then error("no answer from chromedriver: " .. tostring(status), 3) end
  local value = json.decode(table.concat(chunks)).value
  if status ~= 200 then error(value.error .. ": " .. value.message, 3) end
  return value
end

local function read_port(pipe)
  for line in pipe:lines() do
    local port = line:match "started successfully on port (%d+)"
    if port then return port end
  end
  error "chromedriver did not start"
end

function browser.start()
  local self = setmetatable({}, browser_mt)
  self.pipe = assert(io.popen(COMMAND, "r"))
  self.pid = assert(math.tointeger(self.pipe:read "l"))
  local root = "http://127.0.0.1:" .. read_port(self.pipe)
  self.base = root
  local session = call(self, "POST", "/session", { capabilities = { alwaysMatch = {
    browserName = "chrome",
    ["goog:chromeOptions"] = { args = ARGS, binary = "/usr/bin/chromium" },
  } } })
  self.base = root .. "/session/" .. session.sessionId
  return self
end

function browser_methods:open(url)
  call(self, "POST", "/url", { url = url })
end

--- Runs JavaScript (a function's body) in the window, and returns its value.
function browser_methods:run(script, ...)
  local args = setmetatable({ ... }, { __jsontype = "array" })
  return call(self, "POST", "/execute/sync", { script = script, args = args })
end

local function element(self, css)
  local found = call(self, "POST", "/element", { using = "css selector", value = css })
  return "/element/" .. select(2, next(found))
end

--- Types into a field, as keys; "\n" is the Enter key.
function browser_methods:type(css, text)
  text = text:gsub("\n", utf8.char(0xE007))
  call(self, "POST", element(self, css) .. "/value", { text = text })
end

function browser_methods:clear(css)
  call(self, "POST", element(self, css) .. "/clear")
end

function browser_methods:click(css)
  call(self, "POST", element(self, css) .. "/click")
end

--- The text that the element shows.
function browser_methods:text(css)
  return call(self, "GET", element(self, css) .. "/text")
end

--- Waits until fn returns something true, and returns that.
function browser_methods:wait(what, fn)
  local deadline = socket.gettime() + 20
  repeat
    local value = fn(self)
    if value then return value end
    socket.sleep(0.05)
  until socket.gettime() > deadline
  error("waited in vain: " .. what, 2)
end

--- Opens a window of its own and goes on in it; returns its handle.
function browser_methods:new_window()
  local handle = call(self, "POST", "/window/new", { type = "window" }).handle
  self:switch(handle)
  return handle
end

function browser_methods:window()
  return call(self, "GET", "/window")
end

function browser_methods:switch(handle)
  call(self, "POST", "/window", { handle = handle })
end

--- The window as a PNG, in base64.
function browser_methods:screenshot()
  return call(self, "GET", "/screenshot")
end

browser_mt.__close = function(self)
  pcall(call, self, "DELETE", "")
  os.execute(("kill -TERM %d 2>/dev/null"):format(self.pid))
  self.pipe:close()
end

return browser
