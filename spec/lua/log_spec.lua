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
