local options = require "neap.options"

local function fault(given, kind, others)
  local flat, message = options.parse(given, kind or "app", others)
  assert.is_nil(flat)
  return message
end

describe("options", function()
  it("are read into one flat table, in their units", function()
    assert.same({
      ["limits.message"] = 65536,
      ["timeouts.ping"] = 0.5,
      origins = "any",
      overflow = "latest",
    }, options.parse({
      limits = { message = "64K" },
      timeouts = { ping = 0.5 },
      origins = "any",
      overflow = "latest",
    }, "app"))
  end)

  for wanted, given in pairs {
    ["unknown option limits.mesage; did you mean message?"] = { limits = { mesage = 1 } },
    ["unknown option timeouts.pign; did you mean ping?"] = { timeouts = { pign = 1 } },
    ["unknown option limit; did you mean limits?"] = { limit = {} },
    ["unknown option deflate.windows; did you mean window?"] = { deflate = { windows = 9 } },
    ["unknown option colour"] = { colour = "red" },
    ["unknown option 1"] = { "any" },
    ["option limits must be a table, not 5"] = { limits = 5 },
    ['option limits.message must be a size in bytes, or "64K", "16M", "2G", not "big"']
      = { limits = { message = "big" } },
    ["option limits.header must be at least 256 bytes, not 1"] = { limits = { header = 1 } },
    ["option limits.per_ip must be a whole number of 0 or more, not -1"]
      = { limits = { per_ip = -1 } },
    ["option timeouts.close must be a number of seconds above 0, not 0"]
      = { timeouts = { close = 0 } },
    ["option timeouts.ping must be a number of seconds, 0 or more, not a table"]
      = { timeouts = { ping = {} } },
    ["option deflate.window must be a whole number from 9 to 15, not 8"]
      = { deflate = { window = 8 } },
    ["option overflow must be one of close, drop_new, drop_old, latest, wait; "
      .. 'did you mean latest?, not "lastest"'] = { overflow = "lastest" },
  } do
    it("answer with: " .. wanted, function()
      assert.equal(wanted, fault(given))
    end)
  end

  it("refuse a number of seconds that is none", function()
    assert.matches("seconds", fault { timeouts = { idle = 0 / 0 } })
    assert.matches("seconds", fault { timeouts = { idle = math.huge } })
    assert.matches("seconds", fault { timeouts = { idle = "5" } })
  end)

  it("of a route are those that a route can override", function()
    assert.same({ ["limits.message"] = 10 },
      options.parse({ limits = { message = 10 } }, "route"))
    assert.equal("option limits.header belongs to the app; a route can't override it",
      fault({ limits = { header = 512 } }, "route"))
    assert.matches("belongs to the app", fault({ hosts = { "a" } }, "route"))
  end)

  it("know the names that stand beside them", function()
    local others = { message = true, accept = true }
    assert.same({}, options.parse({ message = print }, "route", others))
    assert.equal("unknown option acept; did you mean accept?",
      fault({ acept = print }, "route", others))
  end)

  it("lie over the defaults", function()
    local flat = options.merge(options.defaults(), { ["limits.message"] = 7 })
    assert.equal(7, flat["limits.message"])
    assert.equal(1048576, flat["limits.queue"])
    assert.equal(20, flat["timeouts.ping"])
    assert.is_false(flat["deflate.takeover"])
  end)

  it("turn compression off and on", function()
    assert.same({ deflate = false }, options.parse({ deflate = false }, "app"))
    assert.same({ deflate = true, ["deflate.min"] = 1024 },
      options.parse({ deflate = { min = "1K" } }, "app"))
  end)

  it("are given to the core by its names", function()
    assert.same({
      per_ip = 0, handshakes = 0, messages_per_second = 0, bytes_per_second = 0,
      burst = 2, connections = 100000, header = 8192, message = 1048576, queue = 1048576,
      handshake = 10, ping = 20,
      pong = 10, idle = 0, write = 30, close = 5, keepalive = 75, body = 20, overflow = "close",
      deflate = true, takeover = false, window = 15, min = 512, level = 1, context = 0,
    }, options.for_core(options.defaults()))
  end)
end)

describe("an option on the command line", function()
  for text, wanted in pairs {
    ["timeouts.ping=5"] = { ["timeouts.ping"] = 5 },
    ["limits.message=64K"] = { ["limits.message"] = 65536 },
    ["deflate=false"] = { deflate = false },
    ["origins=any"] = { origins = "any" },
    ["overflow=wait"] = { overflow = "wait" },
    ["hosts=a.example,b.example"] = { hosts = { ["a.example"] = true, ["b.example"] = true } },
    ["hosts=intranet"] = { hosts = { intranet = true } },
  } do
    it("is read from " .. text, function()
      assert.same(wanted, options.parse_assignment(text))
    end)
  end

  for text, wanted in pairs {
    ["timeouts.pign=5"] = "unknown option timeouts.pign; did you mean ping?",
    ["timeout.ping=5"] = "unknown option timeout.ping; did you mean timeouts?",
    ["timeouts=5"] = "timeouts is a group; name one of it: timeouts.handshake",
    ["timeouts.ping=soon"]
      = 'option timeouts.ping must be a number of seconds, 0 or more, not "soon"',
    ["nothing"] = "nothing: write NAME=VALUE",
  } do
    it(("answers %s with: %s"):format(text, wanted), function()
      local flat, message = options.parse_assignment(text)
      assert.is_nil(flat)
      assert.equal(wanted, message)
    end)
  end
end)
