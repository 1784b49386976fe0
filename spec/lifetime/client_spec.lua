local core = require "neap.core"
local life = require "spec.support.life"
local log = require "neap.log"
local neap = require "neap"
local process = require "spec.support.process"

local function live(class)
  return core.counts()[class].live
end

-- A server that answers no upgrade, one that echoes, and one that is not there.
local function each_state(fn)
  local silent <close> = process.start "/usr/bin/python3 spec/support/proxy.py silent"
  for state, url in pairs {
    resolving = "ws://some-name.invalid/", upgrade = "ws://127.0.0.1:" .. silent.port,
    open = "echo", backoff = "ws://127.0.0.1:1/",
  } do
    life.run(function(world)
      world:ws("/", { message = function(_, data) return data end })
      local target = url == "echo" and ("ws://127.0.0.1:%d/"):format(world:port()) or url
      fn(state, function(more)
        local given = { url = target, reconnect = { min = 60, max = 60, jitter = "none" } }
        for name, value in pairs(more or {}) do given[name] = value end
        local client = neap.client(given)
        if state ~= "resolving" then
          life.wait_until(function() return client.state == state end, state)
        end
        return client
      end)
    end)
  end
end

-- What was written to the log while fn ran.
local function logged(fn)
  local lines = {}
  log.configure { level = "warn", write = function(line) lines[#lines + 1] = line end }
  local ok, err = pcall(fn, lines)
  log.configure { level = "info", write = function(line) io.stderr:write(line) end }
  if not ok then error(err, 0) end
  return table.concat(lines)
end

describe("the life of a client", function()
  it("ends at close in every state, with on_end once", function()
    each_state(function(state, make)
      local ends = 0
      local client = make { on_end = function() ends = ends + 1 end }
      client:close()
      client:close()
      assert(client:wait_closed(5), state)
      neap.sleep(0)
      assert.same({ 1, "closed", 0 }, { ends, client.state, live "client" }, state)
    end)
  end)

  it("ends at terminate in every state", function()
    each_state(function(state, make)
      local client = make()
      client:terminate()
      assert(client:wait_closed(5), state)
    end)
  end)

  it("ends with a <close> variable", function()
    each_state(function(_, make)
      local kept
      do
        local client <close> = make()
        kept = client
      end
      assert(kept:wait_closed(5))
    end)
  end)

  it("ends with its scope in every state, before that has ended", function()
    each_state(function(state, make)
      local scope, client = neap.scope(), nil
      local made = scope:spawn(function() client = make() end)
      life.wait_until(function() return client and not made.scope end, state)
      scope:close()
      assert.same({ "closed", "closed" }, { scope.state, client.state }, state)
      assert.equal(0, live "client")
    end)
  end)

  it("may be given to a scope, which may have ended", function()
    each_state(function(_, make)
      local scope = neap.scope()
      local client = make { scope = scope }
      scope:close()
      assert.equal("closed", client.state)
    end)
    life.run(function()
      local scope = neap.scope()
      scope:close()
      assert.equal("closed", neap.client { url = "ws://127.0.0.1:1", scope = scope }.state)
    end)
  end)

  it("is over when it is dropped without a scope, and is reported", function()
    each_state(function(state, make)
      local text = logged(function(lines)
        local closed
        life.forget(function()
          local client = make { scope = false, on_down = function() closed = true end }
          assert(client)
        end)
        life.wait_until(function() life.collect(); return live "client" == 0 end, state)
        life.wait_until(function() return live "conn" == 0 and lines[1] end, state)
        assert.is_nil(closed)
      end)
      assert.matches("leak: client of ws://%S+ opened at spec/lifetime/client_spec%.lua:%d+", text)
      assert.is_nil(text:find("leak.*leak"), text)
    end)
  end)

  it("is held by its scope when the script drops it", function()
    each_state(function(state, make)
      life.forget(function() return make() and nil end)
      life.collect()
      assert.equal(1, live "client", state)
    end)
  end)

  it("goes on for a task that waits on it, whoever else forgets it", function()
    each_state(function(state, make)
      local scope, code = neap.scope(), nil
      life.forget(function()
        local client = make { scope = false }
        scope:spawn(function() code = select(3, client:receive(0.6)) end)
      end)
      neap.sleep(0)
      life.collect()
      assert.equal(1, live "client", state)
      logged(function()
        life.wait_until(function() return code end)
        assert.equal("timeout", code, state)
        scope:close()
        life.wait_until(function() life.collect(); return live "client" == 0 end, state)
      end)
    end)
  end)

  it("answers closed for ever after its end", function()
    each_state(function(_, make)
      local client = make()
      local codes = {}
      neap.spawn(function() codes[1] = select(3, client:receive()) end)
      neap.spawn(function() codes[2] = select(3, client:wait_open()) end)
      neap.sleep(0)
      client:terminate()
      client:wait_closed(5)
      for _, call in ipairs {
        function() return client:send "x" end, function() return client:send_wait "x" end,
        function() return client:receive() end, function() return client:ping() end,
        function() return client:wait_open() end,
      } do
        assert.equal("closed", select(3, call()))
      end
      for _ in client:messages() do error "there is none" end
      assert.equal("closed", codes[1])
      assert.is_nil(client:close())
      assert.is_nil(client:terminate())
      assert.matches("^neap%.client .* %(closed%)$", tostring(client))
    end)
  end)

  it("ends with a state that is closed", function()
    local silent <close> = process.start "/usr/bin/python3 spec/support/proxy.py silent"
    for _, ending in ipairs { "os.exit(0, true)", "" } do
      local status, output = life.die(([[
        local neap = require "neap"
        local app = neap.app{}
        app:ws("/", {message = function() end})
        kept = {}
        neap.run(function()
          local listener = app:listen "http://127.0.0.1:0"
          local _, port = listener:address()
          for _, url in ipairs {"ws://127.0.0.1:" .. port, "ws://127.0.0.1:1", "ws://127.0.0.1:%d",
            "ws://some-name.invalid"} do
            for _, scope in ipairs {false, neap.scope{within = {}}} do
              kept[#kept + 1] = neap.client {url = url, scope = scope}
              kept[#kept]:send "x"
            end
          end
          neap.sleep(0.1)
          %s
        end)
      ]]):format(silent.port, ending))
      assert.equal(0, status, output)
      assert.is_nil(output:find "Sanitizer", output)
    end
  end)

  it("holds nothing but a timer while it stays away, and no socket more than one", function()
    life.run(function(world)
      local most = 0
      world:ws("/", { open = function(conn)
        most = math.max(most, live "conn")
        conn:close(1011)
      end })
      local ups = 0
      local client = neap.client {
        url = ("ws://127.0.0.1:%d/"):format(world:port()), reconnect = { min = 0.001, max = 0.01 },
        on_up = function() ups = ups + 1 end, on_down = function() end,
      }
      life.wait_until(function() return ups > 20 end)
      client:terminate()
      client:wait_closed(5)
      assert.is_true(most <= 2, most) -- its own and the server's
    end)
  end)

  it("does not hold up the end of the process while a name server is silent", function()
    local stuck = os.tmpname() .. ".so"
    local compile = "env -u LD_PRELOAD gcc -shared -fPIC -o %s spec/support/stuck_lookup.c"
    assert(os.execute(compile:format(stuck)))
    local began = os.time()
    local status, output = life.die([[
      local neap = require "neap"
      neap.run(function()
        print(select(3, neap.connect("ws://a.test", {timeout = 0.1})))
        kept = neap.client {url = "ws://b.test", scope = false}
        neap.sleep(0.05)
        print(neap.census().lookup.live)
        os.exit(0, true)
      end)
    ]], (os.getenv "NEAP_PRELOAD" or "") .. " " .. stuck)
    os.remove(stuck)
    assert.equal(0, status, output)
    assert.matches("timeout\n1\n", output)
    assert.is_true(os.time() - began < 30)
  end)
end)
