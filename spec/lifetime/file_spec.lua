-- Files that are open for an answer: each is closed with the request, whatever ends it.
local core = require "neap.core"
local http = require "spec.support.http"
local life = require "spec.support.life"
local neap = require "neap"
local server = require "spec.support.server"

local LAYOUT = [[
mkdir -p "$1/in/sub" && cd "$1" && printf secret >out.txt && printf hello >in/a.txt
printf deep >in/sub/b.txt; ln -s ../out.txt in/link; ln -s sub in/dir; ln -s a.txt in/inner
ln -s / in/root; mkfifo in/fifo; printf dots >in/..a; head -c 3000000 /dev/zero >in/big
]]

local top = server.temporary()

local function code_of(...)
  return (select(3, ...))
end

local function live()
  return core.counts().file.live
end

describe("a file", function()
  setup(function()
    local script = server.temporary ".sh"
    local file = assert(io.open(script, "w"))
    file:write(LAYOUT)
    file:close()
    os.execute(("sh %s %s"):format(script, top))
    os.remove(script)
  end)
  teardown(function() os.execute("rm -rf " .. top) end)

  for what, walks in pairs { ["openat2"] = false, ["a walk"] = true } do
    local function open(path, root)
      return core.open_file(root or top .. "/in", path, walks)
    end

    it("is opened beneath its directory by " .. what, function()
      for path, size in pairs { ["a.txt"] = 5, ["sub/b.txt"] = 4 } do
        local file <close> = assert(open(path))
        assert.equal(size, (file:stat()))
      end
      assert.equal("directory", open "")
      assert.equal("directory", open "sub")
    end)

    it("is not opened anywhere else by " .. what, function()
      for _, path in ipairs {
        "../out.txt", "..", "sub/../../out.txt", "sub/..", "/etc/passwd", "/", "link", "dir/b.txt",
        "dir", "inner", "root/etc/passwd", "root", "fifo", "none", "a.txt/x", "sub/none",
        ("a"):rep(300), ("sub/"):rep(2000),
      } do
        local file, _, code = open(path)
        assert.same({ nil, "refused" }, { file, code }, path)
      end
      assert.equal("refused", code_of(open("a.txt", top .. "/none")))
      assert.equal("refused", code_of(open("x", top .. "/in/a.txt")))
    end)
  end

  it("is closed once, explicitly, and answers closed ever after", function()
    life.run(function(world)
      local kept, code
      world.app:get("/", function(req)
        kept = assert(core.open_file(top .. "/in", "a.txt"))
        assert.equal(1, live())
        kept:close()
        kept:close()
        code = code_of(core.answer_file(req, 200, "", kept, 0, 5))
        return "x"
      end)
      world:ask "/"
      assert.equal("closed", code)
      assert.matches("closed", tostring(kept))
    end)
  end)

  it("is closed by <close>, and by its scope", function()
    life.run(function()
      do
        local _ <close> = core.open_file(top .. "/in", "a.txt")
        assert.equal(1, live())
      end
      assert.equal(0, live())
      local own = neap.scope()
      own:own(core.open_file(top .. "/in", "a.txt"))
      own:close()
      assert.equal(0, live())
    end)
  end)

  it("is closed when it is dropped", function()
    life.run(function()
      for _ = 1, 10 do life.forget(core.open_file, top .. "/in", "a.txt") end
      life.wait_until(function()
        life.collect()
        return live() == 0
      end)
    end)
  end)

  it("is closed when middleware answers something else", function()
    life.run(function(world)
      world.app:use(function(req, next)
        next(req)
        return req:reject(403)
      end)
      world.app:static("/", top .. "/in")
      assert.equal(403, (world:ask "/a.txt"))
      life.wait_until(function() return live() == 0 end)
    end)
  end)

  it("is closed when its client goes, and when it takes nothing for too long", function()
    life.run(function(world)
      world.app:static("/", top .. "/in")
      local peers = {}
      for i, how in ipairs { "reset", "silence" } do
        peers[i] = http.connect(world:port())
        peers[i].tcp:setoption("recv-buffer-size", 4096)
        peers[i]:send "GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n"
        life.wait_until(function() return live() == 1 end, how)
        if how == "reset" then
          peers[i].tcp:setoption("linger", { on = true, timeout = 0 })
          peers[i]:close()
        end
        life.wait_until(function() return live() == 0 end, how)
      end
      peers[2]:close()
    end, { timeouts = { write = 1 } })
  end)

  it("is closed with the state", function()
    local status, output = life.die(([[
      local core = require "neap.core"
      kept = assert(core.open_file(%q, "a.txt"))
      os.exit(0, true)
    ]]):format(top .. "/in"))
    assert.equal(0, status, output)
    assert.is_nil(output:find "Sanitizer", output)
  end)
end)
