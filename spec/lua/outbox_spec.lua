local outbox = require "neap.outbox"

local SIZE = outbox.size "x" -- what a message of one byte counts for

local function make(messages, policy)
  local dropped = {}
  local self = outbox.new(messages * SIZE, policy or "drop_new", function(data)
    dropped[#dropped + 1] = data
  end)
  return self, dropped
end

local function texts(list)
  local all = {}
  for i, item in ipairs(list) do all[i] = item.data end
  return table.concat(all)
end

local function add_all(self, letters)
  for letter in letters:gmatch "." do self:add(letter, "text") end
end

describe("an outbox", function()
  it("keeps the order, and knows what is in flight", function()
    local self = make(8)
    add_all(self, "abcde")
    for _ = 1, 3 do self:mark_sent() end
    assert.equal("d", self:next().data)
    assert.same({ 2, 3 }, { self:counts() })
    local mark = self:mark()
    self:mark_sent()
    self:confirm(mark)
    assert.same({ 1, 1 }, { self:counts() })
    assert.equal("d", texts(self:take_flying()))
    assert.equal("e", texts(self:take_waiting()))
    assert.equal(0, self.bytes)
  end)

  it("sends again what was in flight, first and in order", function()
    local self = make(8)
    add_all(self, "abcd")
    self:mark_sent()
    self:mark_sent()
    assert.equal(2, self:put_back())
    assert.equal("abcd", texts(self:take_waiting()))
    assert.equal(0, self.bytes)
  end)

  it("is bounded, what is in flight included", function()
    for _, policy in ipairs { "drop_new", "wait", "close" } do
      local self, dropped = make(3, policy)
      add_all(self, "abc")
      self:mark_sent()
      assert.equal("overflow", select(3, self:add("d", "text")))
      self:confirm(self:mark())
      assert(self:add("d", "text"))
      assert.equal("bcd", texts(self:take_waiting()))
      assert.same({}, dropped)
    end
  end)

  it("drops the oldest that waits, or all, and says which", function()
    local self, dropped = make(3, "drop_old")
    add_all(self, "abc")
    self:mark_sent()
    assert(self:add("d", "text"))
    assert.same({ "b" }, dropped)
    assert.equal("a", texts(self:take_flying()))
    assert.equal("cd", texts(self:take_waiting()))
    self, dropped = make(3, "latest")
    add_all(self, "abcd")
    assert.same({ "a", "b", "c" }, dropped)
    assert.equal("d", texts(self:take_waiting()))
  end)

  it("never drops what is in flight", function()
    local self, dropped = make(2, "drop_old")
    add_all(self, "ab")
    self:mark_sent()
    self:mark_sent()
    assert.equal("overflow", select(3, self:add("c", "text")))
    assert.same({}, dropped)
  end)

  it("refuses a message that never fits", function()
    assert.equal("too_big", select(3, make(1):add("xx", "text")))
  end)

  it("counts empty messages too", function()
    local self, count = outbox.new(6400, "drop_new"), 0
    while self:add("", "text") do count = count + 1 end
    assert.equal(100, count)
  end)
end)
