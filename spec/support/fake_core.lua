-- A stand-in for neap.core and what stands directly on it, so that the
-- scripting layer can be tried without sockets.
--
--   local core = fake_core.install()      neap.* modules load anew on top of it
--   local req = core.request{method = "GET", target = "/", headers = {host = "x"}}
--   req.sent       {status, headers, body} once answered
--   req.upgraded   {route, data, protocol, headers} once let in
--   fake_core.remove()                    puts back what was loaded before

local fake_core = {}

local kept = {}

local function each_loaded(fn)
  for name in pairs(package.loaded) do
    if name == "neap" or name:find("^neap%.") then fn(name) end
  end
end

local function make_request_class(core)
  local own = {}

  function own:header(name)
    return rawget(self, "fields_by_name")[name:lower()]
  end

  function own:fields()
    local fields = {}
    for name, value in pairs(rawget(self, "fields_by_name")) do
      fields[#fields + 1] = { name, value }
    end
    return fields
  end

  function own:is_upgrade()
    return (self:header "upgrade" or ""):lower() == "websocket"
  end

  function own:check_upgrade()
    if self.method ~= "GET" then return nil, "not a GET", 405 end
    if self:header "sec-websocket-version" ~= "13" then return nil, "wrong version", 426 end
    return true
  end

  function own:answer(status, headers, body)
    assert(math.type(status) == "integer" and type(body) == "string")
    if self.sent then return nil, "answered already", "closed" end
    rawset(self, "sent", { status = status, headers = headers, body = body })
    return true
  end

  function own:upgrade(route, data, protocol, headers)
    assert(route, "no route")
    rawset(self, "upgraded",
      { route = route, data = data, protocol = protocol, headers = headers })
    return {}
  end

  return {
    __index = function(req, key)
      if own[key] then return own[key] end
      if core.methods.request[key] then return core.methods.request[key] end
      return core.env(req)[key]
    end,
    __newindex = function(req, key, value) core.env(req)[key] = value end,
  }
end

-- The only table of them is in C.
local function load_reasons()
  local source <close> = assert(io.open "core/proto/answer.c")
  local phrases = {}
  for status, phrase in source:read("a"):gmatch 'X%((%d+), "([^"]+)"%)' do
    phrases[tonumber(status)] = phrase
  end
  return function(status) return assert(phrases[status]) end
end

local function make_core()
  local envs = setmetatable({}, { __mode = "k" })
  local core = { version = "0.1.0", methods = { request = {}, conn = {} } }
  local request_mt = make_request_class(core)

  function core.env(req)
    envs[req] = envs[req] or {}
    return envs[req]
  end

  function core.request(given)
    return setmetatable({
      method = given.method or "GET",
      target = given.target or "/",
      remote = "127.0.0.1:5000",
      version = "1.1",
      fields_by_name = given.headers or {},
    }, request_mt)
  end

  function core.settings(given) return given end
  function core.route(given) return given end
  core.reason = load_reasons()
  function core.now() return 0 end
  function core.wall() return 0.25 end
  function core.conns() return function() end end
  function core.counts() return {} end
  function core.sites() end
  function core.hook() end
  function core.worker() return 1, 1 end
  function core.raise_descriptors() return 1000000 end

  core.listeners = {}
  function core.listen(given)
    if given.port == 1 then return nil, "address already in use", "busy" end
    local listener = { given = given }
    function listener.address()
      return given.host or given.path, given.port == 0 and 4711 or given.port
    end
    for _, name in ipairs { "close", "hold", "accept", "set_doors" } do
      listener[name] = function() end
    end
    function listener.drain() return 0 end
    table.insert(core.listeners, listener)
    return listener
  end
  return core
end

local function make_scope()
  local scope_mt = { __index = { state = "open" } }
  function scope_mt.__index:close() self.is_closed = true end
  function scope_mt.__index.defer() end
  local scope = {}
  function scope.new(given) return setmetatable(given, scope_mt) end
  function scope.place(self, above) self.parent = above end
  function scope.install(methods, scope_of)
    function methods.child(self) return scope.new { parent = scope_of(self) } end
  end
  return scope
end

--- Loads neap's modules anew, over a new fake.
function fake_core.install()
  each_loaded(function(name)
    kept[name] = package.loaded[name]
    package.loaded[name] = nil
  end)
  local core = make_core()
  package.loaded["neap.core"] = core
  package.loaded["neap.scope"] = make_scope()
  package.loaded["neap.task"] = {}
  package.loaded["neap.conn"] = {}
  return core
end

--- Forgets the fake and all that was loaded over it.
function fake_core.remove()
  each_loaded(function(name) package.loaded[name] = nil end)
  for name, module in pairs(kept) do package.loaded[name] = module end
  kept = {}
end

return fake_core
