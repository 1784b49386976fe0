local build = os.getenv "NEAP_BUILD" or "build"
local preload = os.getenv "NEAP_PRELOAD" or ""

-- Runs `neap check` on a script of spec/support/check; its output and status.
local function check(name, options)
  local pipe <close> = assert(io.popen(("env LD_PRELOAD=%s %s/bin/neap check "
    .. "spec/support/check/%s.lua %s 2>&1; echo \"status $?\""):format(
    preload, build, name, options or "")))
  local output = pipe:read "a"
  local text, status = output:match "^(.*)status (%d+)%s*$"
  return text:gsub("spec/support/check/", ""), tonumber(status)
end

local WRONG = {
  behind_catch_all = {
    "  behind_catch_all.lua:6: middleware auth can never run: any /*path (behind_catch_all.lua:5) "
      .. "answers every request under /; move it above that line\n",
    "  behind_catch_all.lua:7: ws /chat can never run: any /*path (behind_catch_all.lua:5) "
      .. "answers every request under /; move it above that line\n",
    "\n2 things are wrong\n",
  },
  behind_static = {
    "  behind_static.lua:6: get /assets/version can never run: static /assets "
      .. "(behind_static.lua:5) answers every request under /assets; move it above that line\n",
    "  behind_static.lua:8: ws /chat can never run: static / (behind_static.lua:7) answers "
      .. "every request under /; move it above that line\n",
    "ws     /chat   (never runs)\n",
    "  behind_static.lua:5: static /assets: the directory spec/support/check holds "
      .. "the script itself, and whatever lies beside it",
  },
  forgotten_next = {
    "  forgotten_next.lua:8: get / can never run: middleware auth (forgotten_next.lua:5) takes "
      .. "no next, so it answers every request; write function(req, next)\n",
    "\n1 thing is wrong\n",
  },
  registered_twice = {
    "  registered_twice.lua:4: get /api/users/:id is registered already, at "
      .. "registered_twice.lua:7\n",
  },
  mounted_in_itself = {
    "neap: mounted_in_itself.lua:5: an app can't be mounted in itself: the one made at "
      .. "mounted_in_itself.lua:3 holds this one already\n",
  },
  captive = {
    '  captive.lua:5: singleton "hub" (captive.lua:5) would capture scoped "session" '
      .. '(captive.lua:4); ask for it with scope:factory("session") when it is needed\n',
    "\n1 thing is wrong\n",
  },
  misspelt_option = {
    "neap: misspelt_option.lua:4: unknown option limits.mesage; did you mean message?\n",
  },
  any_before_get = {
    "  any_before_get.lua:6: get /status can never run: any /status (any_before_get.lua:5) "
      .. "answers every method there; move it above that line\n",
  },
  returns_no_app = {
    "neap: returns_no_app.lua:4: the script returns no app; end it with: return app\n",
  },
}

describe("neap check", function()
  for name, messages in pairs(WRONG) do
    it("says what is wrong with " .. name .. ", and exits with 1", function()
      local output, status = check(name)
      for _, message in ipairs(messages) do assert.matches(message, output, 1, true) end
      assert.equal(1, status)
    end)
  end

  it("prints what is provided, and the services in the order of their start", function()
    local output, status = check "provided"
    assert.matches([[

provides
      singleton  pool    provided.lua:4
      scoped     db      provided.lua:5
      service    ticker  provided.lua:7
      service    feed    provided.lua:6
]], output, 1, true)
    assert.matches("\nfine\n$", output)
    assert.equal(0, status)
  end)

  it("prints the pipeline as it will run", function()
    local output, status = check "fine"
    assert.equal([[
fine.lua: 2 routes, 1 middleware
      limits     connections 100000, per_ip none, header 8K
      timeouts   handshake 10s, drain 25s

ws     /chat/:room
   1  auth           fine.lua:5
   2  task           fine.lua:6
      origins    same
      protocols  chat.v1
      limits     message 64K, queue 1M (full: close)
      timeouts   ping 20s, pong 10s, idle never, write 30s, close 5s

get    /chat/:room
   1  auth           fine.lua:5
   2  handler        fine.lua:7
      limits     body 1M

any    other path
   1  auth           fine.lua:5
   2  404 Not Found

fine
]], output)
    assert.equal(0, status)
  end)

  it("warns of what is risky, and exits with 0", function()
    local output, status = check("risky", "-l http://0.0.0.0:80")
    for _, message in ipairs {
      "risky.lua:8: ws /open does not pass middleware auth (risky.lua:9), which is registered "
        .. "behind it",
      'risky.lua:8: ws /open: origins = "any": every web page can connect',
      "risky.lua:8: ws /open and 1 more: timeouts.ping = 120: nginx and most load balancers "
        .. "close what is silent for 60 s",
      "risky.lua:8: ws /open and 1 more: limits.message = 0",
      "risky.lua:10: ws /closed: timeouts.write = 0",
      "risky.lua:11: get /: limits.body = 0",
      "risky.lua:3: timeouts.drain = 120: systemd kills a service 90 s after",
      "risky.lua:3: timeouts.handshake = 0",
      "risky.lua:3: limits.per_ip = 0: one address can take all 100000 connections of "
        .. "http://0.0.0.0:80",
      "risky.lua:12: option limits.per_ip has no effect in the app mounted at /api",
      "\nnothing is wrong; 10 risks\n",
    } do
      assert.matches(message, output, 1, true)
    end
    assert.equal(0, status)
  end)

  it("warns of a listener that believes whoever can reach it", function()
    local proxied = "0.0.0.0:80?proxy: whoever connects there can claim any address"
    assert.matches(proxied, (check("risky", "-l 'http://0.0.0.0:80?proxy'")), 1, true)
    assert.not_matches(proxied, (check("risky", "-l 'http://127.0.0.1:80?proxy'")), 1, true)
    assert.not_matches(proxied, (check("risky", "-l http://0.0.0.0:80")), 1, true)
  end)

  it("warns of middleware in an order that defeats it", function()
    local output, status = check("misplaced", "-l http://0.0.0.0:80")
    for _, message in ipairs {
      "misplaced.lua:6: middleware access_log sees the address of the proxy, not of the client: "
        .. "middleware real_ip (misplaced.lua:7) stands behind it; move that up",
      "misplaced.lua:8: middleware basic_auth refuses the preflights of browsers, which carry no "
        .. "credentials: middleware cors (misplaced.lua:9) stands behind it; move that up",
      "what middleware basic_auth (misplaced.lua:8) asks for travels readable over "
        .. "http://0.0.0.0:80; use https, or a proxy that does",
      "nothing is wrong; 3 risks",
    } do
      assert.matches(message, output, 1, true)
    end
    assert.equal(0, status)
  end)

  it("looks at the options as the command sets them", function()
    local output = check("fine", "--set timeouts.ping=61 --set origins=any")
    assert.matches("origins    any\n", output, 1, true)
    assert.matches("timeouts.ping = 61", output, 1, true)
    assert.matches("nothing is wrong; 2 risks", output, 1, true)
  end)

  it("stops a server with such an order before it listens", function()
    local pipe <close> = assert(io.popen(("env LD_PRELOAD=%s %s/bin/neap "
      .. "spec/support/check/behind_catch_all.lua -l http://127.0.0.1:0 2>&1; echo \"status $?\"")
      :format(preload, build)))
    local output = pipe:read "a"
    assert.matches("^neap: spec/support/check/behind_catch_all.lua:6: middleware auth can never",
      output)
    assert.matches("status 1\n$", output)
  end)
end)
