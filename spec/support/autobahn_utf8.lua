-- Byte sequences that try a UTF-8 decoder, by the section of the Autobahn list that
-- has their kind. Whether a sequence is valid is asked of Lua's own decoder.

local sections = {}

local function add(id, list)
  sections[#sections + 1] = { id = id, list = list }
end

local GREEK = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

local function prefixes(text)
  local list = {}
  for i = 1, #text do list[i] = text:sub(1, i) end
  return list
end

local function range(first, last, behind)
  local bytes = {}
  for byte = first, last do bytes[#bytes + 1] = string.char(byte) .. behind end
  return table.concat(bytes)
end

-- Continuation bytes without a start, 1 to 6 of them, then all there are.
local function unexpected()
  local list = { "\x80", "\xbf" }
  for count = 2, 6 do list[#list + 1] = ("\x80\xbf"):rep(3):sub(1, count) end
  list[#list + 1] = range(0x80, 0xbe, "")
  return list
end

-- The last two code points of each plane, which are no characters, and are valid.
local function noncharacters()
  local list = {}
  for plane = 0, 16 do
    list[#list + 1] = utf8.char(plane << 16 | 0xfffe)
    list[#list + 1] = utf8.char(plane << 16 | 0xffff)
  end
  return list
end

local function specials()
  local list = {}
  for code = 0xfff9, 0xffff do list[#list + 1] = utf8.char(code) end
  return list
end

-- One code point in 2 to 6 bytes, each longer than it needs.
local function overlong(last)
  return {
    string.char(0xc0 | last >> 6, 0x80 | last & 0x3f),
    string.char(0xe0, 0x80 | last >> 6, 0x80 | last & 0x3f),
    string.char(0xf0, 0x80, 0x80 | last >> 6, 0x80 | last & 0x3f),
    string.char(0xf8, 0x80, 0x80, 0x80 | last >> 6, 0x80 | last & 0x3f),
    string.char(0xfc, 0x80, 0x80, 0x80, 0x80 | last >> 6, 0x80 | last & 0x3f),
  }
end

local INCOMPLETE = { "\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80",
  "\xfc\x80\x80\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf",
  "\xfd\xbf\xbf\xbf\xbf" }

-- UTF-16 surrogates as if they were code points.
local function surrogates(pairs_of)
  local list = {}
  for i, codes in ipairs(pairs_of) do
    local bytes = {}
    for j, code in ipairs(codes) do bytes[j] = utf8.char(code) end
    list[i] = table.concat(bytes)
  end
  return list
end

add("6.5", { "hello$world", "hello¢world", "hello€world", "hello\u{24b62}world", GREEK })
add("6.6", prefixes(GREEK))
add("6.7", { "\0", "\u{80}", "\u{800}", "\u{10000}" })
add("6.8", { "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80" })
add("6.9", { "\x7f", "\u{7ff}", "\u{ffff}", "\u{10ffff}" })
add("6.10", { "\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf" })
add("6.11", { "\u{d7ff}", "\u{e000}", "\u{fffd}", "\u{10ffff}", "\xf4\x90\x80\x80" })
add("6.12", unexpected())
add("6.13", { range(0xc0, 0xde, " "), range(0xe0, 0xee, " "), range(0xf0, 0xf6, " "),
  range(0xf8, 0xfa, " "), range(0xfc, 0xfc, " ") })
add("6.14", INCOMPLETE)
add("6.15", { table.concat(INCOMPLETE) })
add("6.16", { "\xfe", "\xff", "\xfe\xfe\xff\xff" })
add("6.17", overlong(0x2f))
add("6.18", { "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf",
  "\xfc\x83\xbf\xbf\xbf\xbf" })
add("6.19", overlong(0))
add("6.20", surrogates { { 0xd800 }, { 0xdb7f }, { 0xdb80 }, { 0xdbff }, { 0xdc00 }, { 0xdf80 },
  { 0xdfff } })
add("6.21", surrogates { { 0xd800, 0xdc00 }, { 0xd800, 0xdfff }, { 0xdb7f, 0xdc00 },
  { 0xdb7f, 0xdfff }, { 0xdb80, 0xdc00 }, { 0xdb80, 0xdfff }, { 0xdbff, 0xdc00 },
  { 0xdbff, 0xdfff } })
add("6.22", noncharacters())
add("6.23", specials())

return sections
