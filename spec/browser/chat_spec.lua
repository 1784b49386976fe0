-- The page of examples/chat.lua, in two windows of a real browser.
local browser = require "spec.support.browser"
local server = require "spec.support.server"

local function join(b, url, name, room)
  b:open(url)
  b:type("#name", name)
  b:clear "#room"
  b:type("#room", room .. "\n")
end

local function is_open(b)
  return b:run "return document.querySelector('#status').dataset.state" == "open"
end

local function shows(text)
  return function(b) return b:text("#log"):find(text, 1, true) end
end

local function people(names)
  return function(b) return b:text "#people" == names end
end

describe("the chat page", function()
  local running, chrome, url, ann, bob

  setup(function()
    running = server.start "examples/chat.lua"
    url = running.url:gsub("^ws", "http") .. "/"
    chrome = browser.start()
    ann = chrome:window()
    join(chrome, url, "Ann", "harbour")
    chrome:wait("Ann to be connected", is_open)
    bob = chrome:new_window()
    join(chrome, url, "Bob", "harbour")
    chrome:wait("Bob to be connected", is_open)
  end)

  teardown(function()
    if chrome then getmetatable(chrome).__close(chrome) end
    if running then running:stop() end
  end)

  it("shows who is here, in both windows", function()
    chrome:wait("both names in Bob's window", people "Ann\nBob")
    chrome:switch(ann)
    chrome:wait("both names in Ann's window", people "Ann\nBob")
  end)

  it("shows in one window what is written in the other", function()
    chrome:switch(ann)
    chrome:type("#text", "the tide is <b>out</b>\n")
    chrome:switch(bob)
    chrome:wait("the message", shows "the tide is <b>out</b>")
    assert.equal("Ann", chrome:text "#log li:last-child b")
    assert.equal("", chrome:run "return document.querySelector('#text').value")
  end)

  it("keeps rooms apart", function()
    chrome:new_window()
    join(chrome, url, "Cy", "lighthouse")
    chrome:wait("Cy to be connected", is_open)
    chrome:type("#text", "only here\n")
    chrome:wait("the message", shows "only here")
    assert.is_true(people "Cy" (chrome))
    chrome:click "#leave"
    chrome:switch(bob)
    assert.is_falsy(shows "only here" (chrome))
  end)

  it("comes back by itself when the server is started again", function()
    local port = running.port
    running:stop()
    chrome:switch(bob)
    chrome:wait("the page to see it", function(b)
      return b:run "return document.querySelector('#status').dataset.state" ~= "open"
    end)
    assert.matches("connect", chrome:text "#status")
    assert.is_true(chrome:run "return document.querySelector('#send').disabled")
    running = server.start("examples/chat.lua",
      { listen = "http://127.0.0.1:" .. port })
    chrome:wait("Bob to be back", is_open)
    chrome:switch(ann)
    chrome:wait("Ann to be back", is_open)
    chrome:wait("both names", people "Ann\nBob")
    chrome:type("#text", "back again\n")
    chrome:switch(bob)
    chrome:wait("the message", shows "back again")
  end)

  it("says so when somebody leaves", function()
    chrome:switch(ann)
    chrome:click "#leave"
    chrome:switch(bob)
    chrome:wait("Bob to be alone", people "Bob")
  end)
end)
