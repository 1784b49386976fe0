local log = require "neap.log"

describe("the log", function()
  local lines

  before_each(function()
    lines = {}
    log.configure {
      format = "text", level = "info", write = function(line) lines[#lines + 1] = line end,
    }
  end)

  teardown(function()
    log.configure { format = "text", level = "info", write = function(l) io.stderr:write(l) end }
  end)

  it("writes a line with time, level, message and sorted fields", function()
    log.warn("slow peer", { route = "ws /chat", conn = 12 })
    assert.matches('^%d+%-%d%d%-%d%dT[%d:.]+Z warn slow peer conn=12 route="ws /chat"\n$', lines[1])
  end)

  it("writes what is important enough", function()
    log.debug "hidden"
    log.info "shown"
    log.configure { level = "error" }
    log.warn "hidden"
    log.error "shown"
    assert.equal(2, #lines)
    assert.is_true(log.is_on "error")
    assert.is_false(log.is_on "info")
  end)

  it("lets nobody else start a line, or move the cursor", function()
    log.error("bad\r\n2025 error forged\27[2J\127", { origin = "x\ny z", ["k\n"] = "\0\u{9b}" })
    local _, count = lines[1]:gsub("[%c\127]", "")
    assert.equal(1, count)
    assert.matches("bad\\r\\n2025 error forged\\x1b[2J\\x7f", lines[1], 1, true)
    assert.matches('origin="x\\ny z"', lines[1], 1, true)
    assert.matches("\\u{9b}", lines[1], 1, true)
  end)

  it("quotes a value so that it can't pass for a second field", function()
    log.info("seen", { a = 'x" b="y', c = "", d = "p=q" })
    assert.matches('a="x\\" b=\\"y" c="" d="p=q"', lines[1], 1, true)
  end)

  it("lets no backslash swallow the quote behind a value", function()
    log.info("seen", { a = "x y\\", b = "\\", c = "\\n" })
    assert.matches('a="x y\\\\" b="\\\\" c="\\\\n"', lines[1], 1, true)
  end)

  it("lets nothing turn around or end a line for any reader", function()
    log.info("a\u{202e}b", { a = "\u{2028}\u{feff}", b = "\u{2066}", c = "\x9b2J", d = "é€😀" })
    assert.matches('a\\u{202e}b a="\\u{2028}\\u{feff}" b="\\u{2066}" c="\\x9b2J" d=é€😀',
      lines[1], 1, true)
    log.configure { format = "json" }
    log.info("a\u{202e}\u{9b}\127", {})
    assert.matches('"a\\u202e\\u009b\\u007f"', lines[2], 1, true)
  end)

  -- A text entry with each quoted value as Q: what is between them stays.
  local function outline(text)
    return (text:gsub("\\.", ".."):gsub('"[^"]*"', "Q"))
  end

  it("keeps its fields apart, whatever bytes they hold", function()
    local dkjson = require "dkjson"
    local alphabet = { "\n", "\r", "\0", "\27", "\127", " ", '"', "\\", "=", "a", "\x9b", "\xc2",
      "\u{9b}", "\u{2028}", "é", "\t" }
    for _ = 1, 500 do
      local function bytes()
        local parts = {}
        for i = 1, math.random(0, 8) do parts[i] = alphabet[math.random(#alphabet)] end
        return table.concat(parts)
      end
      local fields = { a = bytes(), b = bytes(), c = "last" }
      log.configure { format = "text" }
      log.info("seen", fields)
      assert.matches("^%S+ info seen a=%S+ b=%S+ c=last\n$", outline(lines[#lines]))
      assert.is_nil(lines[#lines]:sub(1, -2):find("[%c\127]"))
      log.configure { format = "json" }
      log.info(fields.a, fields)
      local entry = assert(dkjson.decode(lines[#lines]))
      assert.equal("last", entry.c)
      assert.is_nil(lines[#lines]:sub(1, -2):find("[%c\127]"))
    end
  end)

  it("indents the lines of a traceback", function()
    log.error("boom", { trace = "stack traceback:\n\tapp.lua:1: in f\n\27[1mapp.lua:2" })
    assert.matches("error boom\n    stack traceback:\n    app.lua:1: in f\n    \\x1b[1mapp.lua:2\n",
      lines[1], 1, true)
  end)

  it("writes JSON that a parser reads back", function()
    local dkjson = require "dkjson"
    log.configure { format = "json" }
    log.error('say "hi"\\\n', {
      n = 1.5, big = math.huge, ok = true, bytes = "\xff\1", text = "ü", trace = "a\nb",
    })
    local entry = assert(dkjson.decode(lines[1]))
    assert.equal(1, select(2, lines[1]:gsub("\n", "")))
    assert.equal('say "hi"\\\n', entry.message)
    assert.same({ "error", 1.5, "inf", true, "\u{fffd}\1", "ü", "a\nb" },
      { entry.level, entry.n, entry.big, entry.ok, entry.bytes, entry.text, entry.trace })
  end)

  it("refuses formats and levels that don't exist", function()
    assert.same({ nil, "unknown log format xml; known: text, json" },
      { log.configure { format = "xml" } })
    assert.matches("unknown log level loud", select(2, log.configure { level = "loud" }))
  end)
end)
