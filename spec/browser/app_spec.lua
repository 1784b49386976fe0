-- examples/app, in two windows of a real browser, from signing in to the end.
local browser = require "spec.support.browser"
local server = require "spec.support.server"

local function is(state)
  return function(b)
    return b:run "return document.querySelector('#status').dataset.state" == state
  end
end

local function sign_in(b, name, password)
  b:clear "#name"
  b:type("#name", name)
  b:clear "#password"
  b:type("#password", password .. "\n")
end

local function shows(text)
  return function(b) return b:text("#notes"):find(text, 1, true) end
end

describe("the harbour app", function()
  local running, chrome, url, ann, bob, path

  setup(function()
    path = os.tmpname()
    running = server.start("examples/app/main.lua",
      { command = ("env APP_DATABASE=%s APP_PASSWORD=secret build/bin/neap"):format(path) })
    url = running.url:gsub("^ws", "http") .. "/"
    chrome = browser.start()
    ann = chrome:window()
    chrome:open(url)
  end)

  teardown(function()
    if chrome then getmetatable(chrome).__close(chrome) end
    if running then running:stop() end
    for _, suffix in ipairs { "", "-wal", "-shm" } do os.remove(path .. suffix) end
  end)

  it("keeps out who has the wrong password, and says so", function()
    chrome:wait("the door", is "out")
    sign_in(chrome, "Ann", "guess")
    chrome:wait("the reason", function(b) return b:text "#wrong" == "that is not the password" end)
    assert.is_true(is "out" (chrome))
  end)

  it("lets in who has the right one, and tells the tide", function()
    sign_in(chrome, "Ann", "secret")
    chrome:wait("Ann to be in", is "open")
    assert.equal("signed in as Ann", chrome:text "#status")
    chrome:wait("the tide", function(b) return b:text "#tide":find "^%d%.%d%d%d$" end)
  end)

  it("keeps the session when the page is loaded again", function()
    chrome:open(url)
    chrome:wait("Ann to be in", is "open")
    assert.equal("signed in as Ann", chrome:text "#status")
  end)

  it("pins a note that another window sees at once, as text", function()
    bob = chrome:new_window()
    chrome:open(url)
    chrome:wait("the other window", is "open")
    chrome:type("#text", "it's <b>high</b> water\n")
    chrome:wait("it here", shows "it's <b>high</b> water")
    chrome:switch(ann)
    chrome:wait("it there", shows "it's <b>high</b> water")
    chrome:open(url)
    chrome:wait("it after a reload", shows "it's <b>high</b> water")
  end)

  it("answers what is no name and password with 400", function()
    local status = chrome:run([[
      const request = new XMLHttpRequest();
      request.open("POST", "/session", false);
      request.send(arguments[0]);
      return request.status;
    ]], "5")
    assert.equal(400, status)
  end)

  it("takes a note down through the REST route, in both windows", function()
    chrome:click "#notes button"
    for _, window in ipairs { ann, bob } do
      chrome:switch(window)
      chrome:wait("it to be gone", function(b) return b:text "#notes" == "" end)
    end
  end)

  it("signs out, and stays out", function()
    chrome:click "#leave"
    chrome:wait("the door", is "out")
    chrome:open(url)
    chrome:wait("the door again", is "out")
  end)

  it("leaves nothing behind", function()
    local status, out, err = running:stop()
    assert.equal(0, status)
    assert.equal("", err)
    assert.matches("leaked=0", out, 1, true)
  end)
end)
