-- Compression with a real browser, which offers it by itself.
local browser = require "spec.support.browser"
local server = require "spec.support.server"

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app { limits = { queue = "16M" } }
  local function echo(_, data) return data end
  app:ws("/alone", { message = echo, deflate = { min = 0 } })
  app:ws("/over", { message = echo, deflate = { min = 0, takeover = true } })
  app:ws("/small", { message = echo, deflate = { min = 0, takeover = true, window = 9 } })
  app:get("/", function(req) return req:html "<title>echo</title>" end)
  return app
]]

-- Sends texts of many lengths, some of them empty, and compares what comes back.
local PAGE = [[
  const words = ["foo", "bar", "été", "日本", "😀", "quux "];
  const sent = [];
  for (let i = 0; i < 60; i++) {
    let text = "";
    const length = [0, 1, 30, 600, 5000, 90000][i % 6];
    while (text.length < length) text += words[(text.length * 7 + i) % 6] + text.length % 100;
    sent.push(text);
  }
  let received = 0;
  const socket = new WebSocket("ws://" + location.host + arguments[0]);
  window.result = "";
  socket.onopen = () => sent.forEach((text) => socket.send(text));
  socket.onmessage = (event) => {
    if (event.data !== sent[received++]) window.result = "message " + received + " differs";
    else if (received === sent.length) socket.close(4000);
  };
  socket.onclose = (event) => {
    window.result = window.result || event.code + " " + socket.extensions + " " + received;
  };
]]

describe("a browser", function()
  local running, chrome

  setup(function()
    running = server.start(SCRIPT)
    chrome = browser.start()
    chrome:open((running.url:gsub("^ws", "http")) .. "/")
  end)

  teardown(function()
    if chrome then getmetatable(chrome).__close(chrome) end
    if running then running:stop() end
  end)

  for path, extension in pairs {
    ["/alone"] = "; server_no_context_takeover; client_no_context_takeover",
    ["/over"] = "",
    ["/small"] = "; server_max_window_bits=9; client_max_window_bits=9",
  } do
    it("gets back what it sends compressed: " .. path, function()
      chrome:run(PAGE, path)
      chrome:wait("the end", function(b) return b:run "return window.result" ~= "" end)
      assert.equal("4000 permessage-deflate" .. extension .. " 60",
        chrome:run "return window.result")
    end)
  end
end)
