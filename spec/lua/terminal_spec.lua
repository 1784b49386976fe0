local arguments = require "neap.terminal.arguments"
local editor = require "neap.terminal.editor"
local histories = require "neap.terminal.history"
local pretty = require "neap.terminal.pretty"

local function words(line)
  local list = {}
  for word in line:gmatch "%S+" do list[#list + 1] = word end
  return list
end

describe("the command line of neap connect", function()
  it("has a URL, headers, protocols and the rest", function()
    local parsed = arguments.parse {
      "-H", "A: b c", "--header=X-Y:z", "ws://a", "--protocol", "one,two", "--ping", "1.5", "-t",
    }
    assert.same({ A = "b c", ["X-Y"] = "z" }, parsed.headers)
    assert.same({ "one", "two" }, parsed.protocols)
    assert.same({ "ws://a", 1.5, true }, { parsed.url, parsed.ping, parsed.timestamps })
  end)

  it("is refused with one line", function()
    for line, wanted in pairs {
      [""] = "which URL?", ["ws://a ws://b"] = "unexpected ws://b", ["--pnig 1 ws://a"] =
        "unknown option --pnig; did you mean --ping?", ["--ping"] = "--ping needs a value",
      ["--ping x ws://a"] = "--ping takes a number of seconds, not x",
      ["--json=1 ws://a"] = "--json takes no value", ["-H nonsense ws://a"] =
        "--header takes 'NAME: VALUE', not nonsense",
    } do
      local parsed, message = arguments.parse(words(line))
      assert.is_nil(parsed, line)
      assert.equal(wanted, message)
    end
  end)

  it("takes a host alone for ws://, and the environment's proxy", function()
    local function options(line)
      return arguments.options(arguments.parse(words(line)))
    end
    assert.equal("ws://localhost:80/x", options "localhost:80/x".url)
    assert.equal("wss://a", options "wss://a".url)
    assert.equal("ws+unix:/run/a", options "ws+unix:/run/a".url)
    assert.equal("env", options "a".proxy)
    assert.is_false(options "a --no-proxy".proxy)
    assert.is_false(options "a".reconnect)
    assert.is_table(options "a --reconnect".reconnect)
  end)
end)

describe("the line editor", function()
  local function new(lines)
    local history = setmetatable({ lines = lines or {}, at = 0 }, getmetatable(histories.open()))
    history:rewind()
    return editor.new(history, "> ")
  end

  local function type_keys(keys, lines)
    local self = new(lines)
    local events = self:feed(keys)
    return self:text(), events, self
  end

  it("edits at the cursor, by whole characters", function()
    for keys, text in pairs {
      ["abc"] = "abc", ["abc\127"] = "ab", ["abc\27[Dx"] = "abxc", ["é日\27[D\127x"] = "x日",
      ["bc\1a"] = "abc", ["abc\1\5d"] = "abcd", ["abc\1\4"] = "bc", ["ab\27[D\11"] = "a",
      ["one two\23x"] = "one x", ["one two\21x"] = "x", ["one two\27bx"] = "one xtwo",
      ["abc\1\27[3~"] = "bc", ["abc\27[H\27[Cx"] = "axbc", ["a\27[99~b\0c"] = "abc",
    } do
      assert.equal(text, type_keys(keys))
    end
  end)

  it("takes a key or a character that comes in pieces", function()
    local self = new()
    for byte in ("é\27[D日\13"):gmatch "." do
      local events = self:feed(byte)
      if events[1] then assert.same({ "line", "日é" }, events[1]) end
    end
    assert.equal("", self:text())
  end)

  it("gives lines, the end, and the signals of the keyboard", function()
    local _, events = type_keys "one\rtwo\n\4\3\26"
    assert.same({ { "line", "one" }, { "line", "two" }, { "eof" }, { "interrupt" }, { "suspend" } },
      events)
  end)

  it("walks through the history, and back to what was being typed", function()
    assert.equal("first", type_keys("new\27[A\27[A\27[A", { "first", "second" }))
    assert.equal("new", type_keys("new\16\16\14\14\14", { "first", "second" }))
    local _, _, self = type_keys("x\rx\ry\r", {})
    assert.same({ "x", "y" }, self.history.lines)
  end)

  it("draws one row, however long the line, and puts the cursor into it", function()
    local _, _, self = type_keys "hello\27[D"
    assert.equal("\r\27[K> hello\r\27[6C", self:draw(80))
    _, _, self = type_keys(("x"):rep(100))
    assert.equal("\r\27[K> " .. ("x"):rep(17) .. "\r\27[19C", self:draw(20))
    _, _, self = type_keys("日本\27[D")
    assert.equal("\r\27[K> 日本\r\27[4C", self:draw(80))
  end)
end)

describe("what neap connect prints", function()
  it("is JSON over several lines, its numbers and order untouched", function()
    assert.equal('{\n  "z": 1.50,\n  "a": [\n    "x,]",\n    {}\n  ]\n}',
      pretty.json ' {"z":1.50, "a":["x,]",{ }]} ')
    for _, text in ipairs { "hello", '"text"', "12", '{"a":', "[1}", '{"a', "{<}" } do
      assert.equal(text, pretty.json(text))
    end
  end)

  it("has no power over the terminal", function()
    assert.equal("a\\x1b[2Jb\n\tc", pretty.harmless "a\27[2Jb\n\tc")
    assert.is_nil(pretty.harmless("\u{9b}31m"):find "\194\155")
    assert.equal("(3 bytes) 00 ff 0a ", pretty.bytes "\0\255\n")
  end)
end)
