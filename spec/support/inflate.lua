-- A DEFLATE decoder of its own (RFC 1951), to check what neap and zlib write: it
-- also tells how far back the data looks. Slow, and plain.

local LENGTH_BASE = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59,
  67, 83, 99, 115, 131, 163, 195, 227, 258 }
local LENGTH_EXTRA = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4,
  5, 5, 5, 5, 0 }
local DISTANCE_BASE = { 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513,
  769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577 }
local ORDER = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 }

local reader_methods = {}
local reader_mt = { __index = reader_methods }

function reader_methods:bits(count)
  while self.held < count do
    local byte = self.bytes:byte(self.at) or error("the data ends early", 0)
    self.at = self.at + 1
    self.hold = self.hold | byte << self.held
    self.held = self.held + 8
  end
  local value = self.hold & ((1 << count) - 1)
  self.hold = self.hold >> count
  self.held = self.held - count
  return value
end

function reader_methods:align()
  self:bits(self.held & 7)
end

-- From code lengths to a table by length and code.
local function make_codes(lengths)
  local counts, next_code, codes = {}, {}, {}
  for _, length in ipairs(lengths) do counts[length] = (counts[length] or 0) + 1 end
  counts[0] = 0
  local code = 0
  for length = 1, 15 do
    code = code + (counts[length - 1] or 0) << 1
    next_code[length] = code
  end
  for symbol, length in ipairs(lengths) do
    if length > 0 then
      codes[length << 16 | next_code[length]] = symbol - 1
      next_code[length] = next_code[length] + 1
    end
  end
  return codes
end

function reader_methods:symbol(codes)
  local code = 0
  for length = 1, 15 do
    code = code << 1 | self:bits(1)
    local symbol = codes[length << 16 | code]
    if symbol then return symbol end
  end
  error("no such code", 0)
end

local function fill(lengths, count, value)
  for _ = 1, count do lengths[#lengths + 1] = value end
end

local function fixed_codes()
  local lengths, distances = {}, {}
  fill(lengths, 144, 8)
  fill(lengths, 112, 9)
  fill(lengths, 24, 7)
  fill(lengths, 8, 8)
  fill(distances, 30, 5)
  return make_codes(lengths), make_codes(distances)
end

local function dynamic_codes(reader)
  local literals, distances, count = reader:bits(5) + 257, reader:bits(5) + 1, reader:bits(4) + 4
  local lengths = {}
  fill(lengths, 19, 0)
  for i = 1, count do lengths[ORDER[i] + 1] = reader:bits(3) end
  local codes, all = make_codes(lengths), {}
  while #all < literals + distances do
    local symbol = reader:symbol(codes)
    if symbol < 16 then
      all[#all + 1] = symbol
    elseif symbol == 16 then
      fill(all, reader:bits(2) + 3, all[#all])
    else
      fill(all, symbol == 17 and reader:bits(3) + 3 or reader:bits(7) + 11, 0)
    end
  end
  return make_codes(table.move(all, 1, literals, 1, {})),
    make_codes(table.move(all, literals + 1, #all, 1, {}))
end

local function read_stored(reader, out)
  reader:align()
  local length, check = reader:bits(16), reader:bits(16)
  assert(length == ~check & 0xffff, "a stored block with a wrong length")
  for _ = 1, length do out[#out + 1] = reader:bits(8) end
end

local function read_codes(reader, out, literals, distances)
  local farthest = 0
  for symbol in function() return reader:symbol(literals) end do
    if symbol < 256 then
      out[#out + 1] = symbol
    elseif symbol == 256 then
      return farthest
    else
      local length = LENGTH_BASE[symbol - 256] + reader:bits(LENGTH_EXTRA[symbol - 256])
      local code = reader:symbol(distances)
      local distance = DISTANCE_BASE[code + 1] + reader:bits(math.max(0, code // 2 - 1))
      assert(distance <= #out, "a distance that is too far")
      farthest = math.max(farthest, distance)
      for _ = 1, length do out[#out + 1] = out[#out + 1 - distance] end
    end
  end
end

local function read_block(reader, out)
  local is_last, kind = reader:bits(1), reader:bits(2)
  assert(kind < 3, "a block of type 3")
  local farthest = 0
  if kind == 0 then
    read_stored(reader, out)
  elseif kind == 1 then
    farthest = read_codes(reader, out, fixed_codes())
  else
    farthest = read_codes(reader, out, dynamic_codes(reader))
  end
  if is_last == 1 then reader:align() end
  return kind, is_last == 1, farthest
end

--- Inflates the payload of a message, to which 00 00 ff ff is appended; `window`
--- is the text of earlier messages. Returns the text, and what it is made of:
--- {farthest = how far back it looks, kinds = of its blocks, has_last = bool}.
local function inflate(payload, window)
  local reader = setmetatable(
    { bytes = payload .. "\0\0\xff\xff", at = 1, hold = 0, held = 0 }, reader_mt)
  local out = { (window or ""):byte(1, -1) }
  local before, about = #out, { farthest = 0, kinds = {}, has_last = false }
  while reader.at <= #reader.bytes or reader.held >= 8 do
    local kind, is_last, farthest = read_block(reader, out)
    about.kinds[#about.kinds + 1] = kind
    about.has_last = about.has_last or is_last
    about.farthest = math.max(about.farthest, farthest)
  end
  local chars = {}
  for i = before + 1, #out do chars[#chars + 1] = string.char(out[i]) end
  return table.concat(chars), about
end

return inflate
