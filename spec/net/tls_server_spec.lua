-- The server's side of TLS, as clients that others wrote see it.

local certs_of = require "spec.support.certs"
local client = require "spec.support.tls_client"
local process = require "spec.support.process"
local server = require "spec.support.server"
local ws = require "spec.support.ws"

local build = os.getenv "NEAP_BUILD" or "build"
local certs

setup(function() certs = certs_of.new() end)
teardown(function() certs:remove() end)

local SCRIPT = [[
  local neap = require "neap"
  local app = neap.app{timeouts = {handshake = 2}}
  app:ws("/", {message = function(_, data) return data end})
  app:get("/who", function(req)
    local names = {}
    for name, value in pairs(req.tls or {}) do names[#names + 1] = name .. "=" .. value .. "\n" end
    table.sort(names)
    return table.concat(names) .. "end\n"
  end)
  app:ws("/who", function(conn, req) conn:send(req.tls.version) end)
  local last
  app:ws("/end", {close = function(_, why) last = why end})
  app:get("/why", function()
    for _ = 1, 1000 do if last then break end neap.sleep(0.02) end
    local why = last or {}
    last = nil
    return ("%s %s %s %s <%s>\n"):format(why.cause, why.by, why.code, why.clean, why.reason)
  end)
  app:get("/rotate", function() require("neap.core").rotate_tickets() return "rotated" end)
  app:get("/live", function() return tostring(neap.census().classes.tls.live) end)
  return app
]]

local function start(cert, key, ...)
  return server.start(SCRIPT, { listen = "https://127.0.0.1:0", "--cert", cert, "--key", key, ... })
end

local function cut_off(err)
  return err:gsub("%d%d%d%d%-%d%d%-%d%dT%S+ ", "")
end

describe("a server with a certificate", function()
  local running, cert, key

  setup(function()
    cert, key = certs:make("localhost", { names = "DNS:localhost,IP:127.0.0.1" })
    running = start(cert, key, "--log-level", "debug")
  end)

  teardown(function()
    local status, out = running:stop()
    assert.equal(0, status)
    assert.matches("leaked=0", out, 1, true)
  end)

  it("says https in its first line", function()
    assert.equal(("neap: listening on https://127.0.0.1:%d"):format(running.port),
      running.greeting)
  end)

  for version, flag in pairs { ["TLSv1.2"] = "-tls1_2", ["TLSv1.3"] = "-tls1_3" } do
    it("speaks " .. version .. ", and shows it to the handler", function()
      local page = client.get(running.port, "/who", flag .. " -servername localhost -alpn http/1.1")
      assert.matches("version=" .. version, page, 1, true)
      assert.matches("servername=localhost\n", page, 1, true)
      assert.matches("alpn=http/1.1\n", page, 1, true)
      assert.matches("cipher=%u", page)
    end)
  end

  it("does not speak TLS 1.1", function()
    assert.matches("alert", client.connect(running.port, "-tls1_1 -cipher ALL@SECLEVEL=0"))
  end)

  it("refuses a client that offers other protocols alone, and one that offers none not", function()
    local no_application_protocol = "alert number 120"
    assert.matches(no_application_protocol, client.connect(running.port, "-alpn h2"))
    assert.matches("ALPN protocol: http/1.1", client.connect(running.port, "-alpn h2,http/1.1"))
    assert.matches("No ALPN negotiated", client.connect(running.port))
  end)

  it("does not negotiate again", function()
    local said = client.renegotiate(running.port)
    assert.matches("RENEGOTIATING", said, 1, true)
    assert.matches("no renegotiation", said, 1, true)
  end)

  it("ends what it sends with close_notify", function()
    local said = client.get(running.port, "/who", "-msg")
    assert.matches("<<< [^\n]*Alert[^\n]*warning close_notify", said)
  end)

  for flag in pairs { ["-tls1_2"] = 1, ["-tls1_3"] = 1 } do
    it("takes a session up again by its ticket, while its key lasts, with " .. flag, function()
      local file = certs.dir .. "/session"
      local function is_resumed()
        local said = client.connect(running.port, flag .. " -sess_in " .. file)
        return said:find("Reused, TLS", 1, true) ~= nil
      end
      client.get(running.port, "/who", flag .. " -sess_out " .. file)
      assert.is_true(is_resumed())
      client.get(running.port, "/rotate")
      assert.is_true(is_resumed())
      client.get(running.port, "/rotate")
      assert.is_false(is_resumed())
    end)
  end

  it("tells who speaks HTTP to it that it speaks TLS", function()
    local answer = ws.ask(running.port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert.equal(400, answer.status)
    assert.matches("this port speaks TLS", answer.body, 1, true)
    assert.matches("the peer does not speak TLS", running:log(), 1, true)
  end)

  it("closes at once what is no TLS at all", function()
    local peer <close> = ws.dial(running.port)
    peer.tcp:send "\x15\x03\x01\x00\x02\x02\x28"
    assert.is_true(peer:is_ended())
    local other <close> = ws.dial(running.port)
    other.tcp:send(("\0"):rep(200))
    assert.is_true(other:is_ended())
  end)

  it("gives a handshake that is slow no more than its time", function()
    local peer <close> = ws.dial(running.port)
    local hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" .. ("r"):rep(400)
    local began, sent = os.time(), 0
    peer.tcp:settimeout(0.1) -- 2 s are its time, 40 s are needed
    local err
    repeat
      sent = sent + 1
      peer.tcp:send(hello:sub(sent, sent))
      err = select(2, peer.tcp:receive(1))
    until err ~= "timeout" or sent > 300
    assert.equal("closed", err)
    assert.is_true(os.time() - began <= 20)
  end)

  -- Opens a WebSocket with openssl, and ends openssl: at the end of its input, or
  -- by SIGKILL.
  local function why_after(is_killed)
    local fifo = certs.dir .. "/input"
    assert(os.execute("mkfifo " .. fifo))
    local openssl <close> = process.start(("openssl s_client -quiet -no_ign_eof "
      .. "-connect 127.0.0.1:%d <%s 2>/dev/null"):format(running.port, fifo), false)
    local input = assert(io.open(fifo, "w"))
    os.remove(fifo)
    input:write(ws.head(running.port, "/end"))
    input:flush()
    repeat local line = assert(openssl:read()) until line == "\r"
    if is_killed then openssl:stop "KILL" end
    input:close()
    if not is_killed then assert.is_nil(openssl:read()) end
    return client.get(running.port, "/why"):match "(%a+ %a+ %d+ %a+ <[^\n]*>)\n$"
  end

  it("tells a stream that ended with close_notify from one that was cut", function()
    assert.equal("eof net 1006 false <>", why_after(false))
    assert.equal("eof net 1006 false <the stream ended without close_notify>", why_after(true))
  end)

  it("is left with no TLS of those that failed", function()
    for _ = 1, 20 do
      ws.dial(running.port):close()
      local peer = ws.dial(running.port)
      peer.tcp:send "no TLS\r\n"
      peer:close()
    end
    assert.matches("1%s*$", client.get(running.port, "/live"))
  end)

  it("satisfies python-websockets", function()
    local command = "SSL_CERT_FILE=%s /usr/bin/python3 spec/support/echo_client.py "
      .. "wss://localhost:%d/"
    assert.equal("ok\n", client.run(command:format(certs.ca, running.port)))
  end)

  it("satisfies ws of npm", function()
    local command = "NODE_EXTRA_CA_CERTS=%s node spec/support/echo_client.js wss://localhost:%d/"
    assert.equal("ok\n", client.run(command:format(certs.ca, running.port)))
  end)
end)

describe("a server with several certificates", function()
  it("chooses by the name that is asked for, the first when none fits", function()
    local a, a_key = certs:make("a", { names = "DNS:a.example" })
    local b, b_key = certs:make("b", { names = "DNS:b.example,DNS:*.b.example" })
    local running <close> = start(a, a_key, "--cert", b, "--key", b_key)
    for name, wanted in pairs {
      ["a.example"] = "a", ["b.example"] = "b", ["x.b.example"] = "b", ["other.example"] = "a",
    } do
      local said = client.connect(running.port, "-servername " .. name)
      assert.matches("subject=CN = " .. wanted .. "\n", said, 1, true)
    end
    assert.matches("subject=CN = a\n", client.connect(running.port, "-noservername"), 1, true)
  end)
end)

describe("a server that asks for certificates", function()
  it("shows the client's to the handler, and lets in nobody without", function()
    local cert, key = certs:make("asking", { names = "DNS:localhost" })
    local own, own_key = certs:make("ann", { subject = "/O=Sea/CN=Ann", purpose = "clientAuth" })
    local stray, stray_key = certs:make("stray", { self_signed = true })
    local running <close> = start(cert, key, "--client-ca", certs.ca, "--log-level", "debug")
    local page = client.get(running.port, "/who", ("-cert %s -key %s"):format(own, own_key))
    assert.matches("subject=CN=Ann,O=Sea\n", page, 1, true)
    local print = client.run(("openssl x509 -in %s -noout -fingerprint -sha256"):format(own))
    assert.matches("fingerprint=" .. print:match "=(%S+)":gsub(":", ""):lower(), page, 1, true)
    assert.not_matches("\nend\n", client.get(running.port, "/who"))
    assert.not_matches("\nend\n", client.get(running.port, "/who",
      ("-cert %s -key %s"):format(stray, stray_key)))
    assert.matches("the client has shown no certificate", running:log(), 1, true)
    assert.matches("self-signed", running:log(), 1, true)
  end)
end)

describe("certificates that are loaded again", function()
  local function serial(port)
    return client.connect(port, "-servername localhost"):match "subject=CN = (%S+)"
  end

  local function copy(from, to)
    client.run(("cp %s %s"):format(from, to))
  end

  -- A line that was logged after the first `at` bytes.
  local function wait_for(running, text)
    for _ = 1, 1000 do
      if running:log():find(text, 1, true) then return true end
      client.run "sleep 0.02"
    end
    error(text .. " is not in the log:\n" .. running:log())
  end

  it("are shown to new connections at SIGHUP, while wrong ones leave all as it is", function()
    local old, old_key = certs:make("old", { names = "DNS:localhost" })
    local new, new_key = certs:make("new", { names = "DNS:localhost" })
    local cert, key = certs.dir .. "/now.pem", certs.dir .. "/now.key"
    copy(old, cert)
    copy(old_key, key)
    local running <close> = start(cert, key)
    assert.equal("old", serial(running.port))
    copy(new, cert)
    running:signal "HUP"
    wait_for(running, "now.key: the key does not belong to the certificate in " .. cert)
    assert.equal("old", serial(running.port))
    copy(new_key, key)
    running:signal "HUP"
    wait_for(running, "certificates loaded again")
    assert.equal("new", serial(running.port))
  end)
end)

describe("a server whose certificate is wrong", function()
  local function refusal(cert, key, passphrase)
    local running <close> = server.start("local neap = require 'neap'\nreturn neap.app()\n", {
      listen = "https://127.0.0.1:0", may_fail = true, "--cert", cert, "--key", key,
      command = passphrase and ("env NEAP_TLS_PASSPHRASE=%s %s/bin/neap"):format(passphrase, build),
    })
    local status, _, err = running:wait()
    assert.equal(1, status)
    assert.equal(1, select(2, err:gsub("\n", "")), err)
    return err
  end

  it("says in one line which file, and what about it, and exits with 1", function()
    local cert, key = certs:make("one", { names = "DNS:localhost" })
    local _, other_key = certs:make("two")
    local _, locked = certs:make("locked", { passphrase = "right" })
    for wanted, words in pairs {
      ["/none.pem: No such file or directory"] = { "/none.pem", key },
      ["/none.key: No such file or directory"] = { cert, "/none.key" },
      ["one.key: no certificate in PEM form there"] = { key, key },
      ["one.pem: no private key in PEM form there"] = { cert, cert },
      ["two.key: the key does not belong to the certificate in " .. cert] = { cert, other_key },
      ["the key is encrypted, and no passphrase was given"] = { cert, locked },
      ["the passphrase is wrong"] = { cert, locked, "false" },
    } do
      assert.matches(wanted, refusal(table.unpack(words)), 1, true)
    end
  end)

  it("says how to give one", function()
    local running <close> = server.start("return require('neap').app()\n",
      { listen = "https://127.0.0.1:0", may_fail = true })
    local status, _, err = running:wait()
    assert.equal(1, status)
    assert.matches("https needs a certificate: --cert FILE and --key FILE", err, 1, true)
  end)

  it("warns of one that has expired, and serves", function()
    local cert, key = certs:make("past", { names = "DNS:localhost", days = -1 })
    local running <close> = start(cert, key)
    assert.matches("warn a certificate has expired cert=%S+/past.pem on=%d", cut_off(running:log()))
  end)

  it("takes a key whose passphrase is right", function()
    local cert, locked = certs:make("opened", { names = "DNS:localhost", passphrase = "right" })
    local running <close> = server.start(SCRIPT, {
      listen = "https://127.0.0.1:0", "--cert", cert, "--key", locked,
      command = "env NEAP_TLS_PASSPHRASE=right " .. build .. "/bin/neap",
    })
    assert.matches("end\n", client.get(running.port, "/who"))
  end)
end)
