-- Provided values while scopes come, ask, are killed and close at random: each
-- that is made is disposed of once, after all that has it.
local core = require "neap.core"
local life = require "spec.support.life"
local neap = require "neap"

local LIFETIMES = { s = "singleton", c = "scoped", t = "transient" }
local NEEDS = {
  s1 = {}, s2 = { "s1" }, s3 = { "s1", "s2" }, c1 = { "s2" }, c2 = { "c1", "s3" }, c3 = { "c1" },
  t1 = { "c2" }, t2 = { "s3" },
}
local NAMES = { "s1", "s2", "s3", "c1", "c2", "c3", "t1", "t2" }

local function one_in(count) return math.random(count) == 1 end

local function maybe_wait()
  if one_in(4) then neap.sleep(0) elseif one_in(3) then neap.sleep(math.random() / 300) end
end

-- What is made counts who has it: the values made from it, and its users.
local function make_value(seen, name, parts)
  for _, part in ipairs(parts) do
    if part.is_dead then seen.faults[#seen.faults + 1] = name .. " is made of a dead part" end
    part.users = part.users + 1
  end
  seen.made = seen.made + 1
  return { name = name, parts = parts, users = 0 }
end

local function dispose_value(seen, value)
  if value.is_dead or value.users > 0 then
    seen.faults[#seen.faults + 1] = ("%s is disposed of %s"):format(value.name,
      value.is_dead and "twice" or "while it is used")
  end
  value.is_dead = true
  for _, part in ipairs(value.parts) do part.users = part.users - 1 end
  seen.disposed = seen.disposed + 1
  maybe_wait()
  if one_in(10) then error("dispose", 0) end
end

local function fail_maybe()
  if one_in(20) then error("make", 0) end
  return one_in(20)
end

local function provide(app, seen, name)
  local needs, is_late = NEEDS[name], one_in(2)
  app:provide(name, {
    lifetime = LIFETIMES[name:sub(1, 1)], needs = not is_late and needs or nil,
    make = function(scope, ...)
      local parts = { ... }
      maybe_wait()
      for i, need in ipairs(is_late and needs or {}) do
        parts[i] = scope:get(need)
        if not parts[i] then return nil, "no " .. need, "busy" end
      end
      maybe_wait()
      if fail_maybe() then return nil, "on purpose", "refused" end
      return make_value(seen, name, parts)
    end,
    dispose = function(value) dispose_value(seen, value) end,
  })
end

local function use(scope, value)
  scope:shield(1, function()
    value.users = value.users + 1
    local _ <close> = setmetatable({}, { __close = function() value.users = value.users - 1 end })
    neap.sleep(0.001)
    assert(not value.is_dead, "it died in use")
  end)
end

local function ask(scope)
  for _ = 1, math.random(6) do
    local value = scope:get(NAMES[math.random(#NAMES)])
    if value and one_in(2) then use(scope, value) end
    maybe_wait()
  end
end

local function kill_later(handle)
  neap.spawn(function()
    neap.sleep(math.random() / 100)
    core.kill(handle.task)
  end)
end

local function play(app)
  local scopes = {}
  for _ = 1, 20 do
    local own = (one_in(2) and scopes[1] and scopes[math.random(#scopes)] or app):child()
    for _ = 1, own and math.random(3) or 0 do
      local handle = own:spawn(ask, own)
      if handle and one_in(6) then kill_later(handle) end
    end
    scopes[#scopes + 1] = own
    maybe_wait()
    if one_in(3) and scopes[1] then
      local last = table.remove(scopes, math.random(#scopes))
      neap.spawn(function() last:close() end)
    end
  end
end

local function play_rounds(seen)
  for _ = 1, 15 do
    local app = neap.app()
    app.scope.cancel_timeout = 0.05
    for _, name in ipairs(NAMES) do provide(app, seen, name) end
    play(app)
    app.scope:close()
    if seen.made ~= seen.disposed then return end
  end
end

describe("values in a crowd", function()
  it("are made and disposed of once each, and outlive all that has them", function()
    local seed = os.time()
    math.randomseed(seed)
    local seen = { made = 0, disposed = 0, faults = {} }
    local lines = life.quietly(function() neap.run(play_rounds, seen) end)
    life.check_census()
    assert.same({}, seen.faults, "seed " .. seed)
    assert.equal(seen.made, seen.disposed, "seed " .. seed)
    assert.is_true(seen.made > 50)
    assert.is_nil(lines:find "died in use", "seed " .. seed)
  end)
end)
