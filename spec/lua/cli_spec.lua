local fake_core = require "spec.support.fake_core"

describe("the command line", function()
  local cli

  setup(function()
    fake_core.install()
    cli = require "neap.cli"
  end)

  teardown(fake_core.remove)

  it("names a script, its options and its arguments", function()
    assert.same({
      script = "app.lua", args = { "-l", "x" }, listen = { "http://127.0.0.1:0", "unix:/s" },
      drain = 1.5, log = "json", log_level = "debug", leaks = "error", workers = 1,
      set = { "timeouts.ping=5", "origins=any" },
    }, cli.parse {
      "app.lua", "-l", "http://127.0.0.1:0", "--listen=unix:/s", "--drain", "1.5",
      "--log", "json", "--log-level=debug", "--leaks", "error", "--set", "timeouts.ping=5",
      "--set=origins=any", "-w", "1", "--", "-l", "x",
    })
  end)

  it("may begin with run, and have its options first", function()
    local parsed = assert(cli.parse { "run", "-lfd:3", "run" })
    assert.same({ "run", { "fd:3" }, "run" }, { parsed.script, parsed.listen, parsed.command })
  end)

  it("has certificates with their keys, in any order", function()
    local parsed = assert(cli.parse { "a.lua", "--key", "a.key", "--cert", "a.pem",
      "--cert=b.pem", "--cert", "c.pem", "--key=c.key", "--client-ca", "ca.pem" })
    assert.same({ { cert = "a.pem", key = "a.key" }, { cert = "b.pem" },
      { cert = "c.pem", key = "c.key" } }, parsed.certs)
    assert.equal("ca.pem", parsed.client_ca)
  end)

  for wanted, words in pairs {
    ["which script?"] = "",
    ["unknown option --lisen; did you mean --listen?"] = "--lisen http://127.0.0.1:0 a.lua",
    ["unknown option --drian; did you mean --drain?"] = "a.lua --drian=5",
    ["unknown option -x"] = "a.lua -x",
    ["--drain needs a value"] = "a.lua --drain",
    ["--drain takes a number of seconds, not soon"] = "a.lua --drain soon",
    ["--drain takes a number of seconds, not -1"] = "a.lua --drain -1",
    ["--log takes text, json, not xml"] = "a.lua --log xml",
    ["--set takes NAME=VALUE, not x"] = "a.lua --set x",
    ["--help takes no value"] = "--help=me",
    ["unexpected b.lua; arguments for the script go behind --"] = "a.lua b.lua",
    ["--workers are a number from 1 to 256, or auto, not 0"] = "a.lua -w 0",
    ["--key needs --cert FILE beside it"] = "a.lua --key x.key",
    ["--key b.key: there is no --cert for it"] = "a.lua --cert a.pem --key a.key --key b.key",
    ["--backplane is not available in this version"] = "a.lua --backplane=x",
    ["8080: write http://HOST:PORT, https://HOST:PORT, unix:/PATH, fd:NUMBER or fd:NAME"]
      = "a.lua -l 8080",
  } do
    it(("answers %q with: %s"):format(words, wanted), function()
      local argv = {}
      for word in words:gmatch "%S+" do argv[#argv + 1] = word end
      local parsed, message = cli.parse(argv)
      assert.is_nil(parsed)
      assert.equal(wanted, message)
    end)
  end
end)

-- The command as a process of its own, over the fake, so that only what
-- happens before it serves is shown here.
describe("the command", function()
  local script

  -- The empty file ends what the interpreter takes for its own options.
  local PRELUDE = [[lua5.4 -e '
    package.path = "./lua/?.lua;./lua/?/init.lua;./?.lua;" .. package.path
    require("spec.support.fake_core").install()
    os.exit(require("neap.cli").main(arg))' /dev/null %s 2>&1; echo $?]]

  local function run(text, words)
    script = os.tmpname()
    local file <close> = assert(io.open(script, "w"))
    file:write(text)
    file:flush()
    local command = PRELUDE:format((words or "%s"):format(script))
    local pipe <close> = assert(io.popen(command, "r"))
    local output = pipe:read "a"
    return tonumber(output:match "(%d+)\n$"), (output:gsub("%d+\n$", ""))
  end

  after_each(function() os.remove(script) end)

  for wanted, row in pairs {
    ["neap: SCRIPT:2: syntax error near <eof>\n"] = { 1, "local x = 1\nx" },
    ["neap: SCRIPT:2: no sea\n"] = { 1, "\nerror 'no sea'" },
    ["neap: SCRIPT: 7 fish\n"] = { 1,
      "error(setmetatable({}, {__tostring = function() return '7 fish' end}))" },
    ["neap: SCRIPT:2: the script returns no app; end it with: return app\n"]
      = { 1, "local neap = require 'neap'\nneap.app()" },
    ["neap: SCRIPT:1: unknown option timeouts.pign; did you mean ping?\n"]
      = { 1, "local app = require 'neap'.app{timeouts = {pign = 1}}\nreturn app" },
    ["neap: SCRIPT:3: unknown option hots; did you mean hosts?\n"]
      = { 1, "local neap = require 'neap'\n\nreturn neap.app{\n  hots = {},\n}" },
    ["neap: SCRIPT:2: path chat must begin with /\n"]
      = { 1, "local app = require 'neap'.app()\napp:get('chat', print)" },
    ["neap: --set timeouts.pign=5: unknown option timeouts.pign; did you mean ping?\n"]
      = { 1, "", "%s --set timeouts.pign=5" },
    ["neap: SCRIPT:1: cannot listen on http://127.0.0.1:1: address already in use\n"]
      = { 1, "local app = require 'neap'.app()\nreturn app", "%s -l http://127.0.0.1:1" },
    ["neap: SCRIPT: a b nil\n"] = { 1,
      "error(table.concat(arg, ' ') .. ' ' .. tostring((select(3, ...))), 0)", "%s -- a b" },
    ["neap: unknown option --lgo; did you mean --log? (neap --help)\n"] = { 2, "", "%s --lgo x" },
    ["neap 0.1.0\n"] = { 0, "", "--version" },
  } do
    it("says: " .. wanted:gsub("\n", ""), function()
      local status, output = run(row[2], row[3])
      assert.equal(wanted, (output:gsub(script, "SCRIPT", 1)))
      assert.equal(row[1], status)
    end)
  end

  it("says what it can't open", function()
    local status, output = run("", "/nonexistent.lua")
    assert.equal(1, status)
    assert.matches("neap: cannot open /nonexistent.lua", output, 1, true)
  end)
end)
