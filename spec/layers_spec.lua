-- core/ has three layers. Each may include itself and what lies below it, and
-- names what it includes from core/, so that every include shows its layer.
local rank = { proto = 1, net = 2, bind = 3 }
local foreign = {
  ["uv.h"] = 2, ["openssl/"] = 2, ["sys/socket.h"] = 2, ["netinet/"] = 2,
  ["arpa/inet.h"] = 2, ["sys/epoll.h"] = 2, ["pthread.h"] = 2, ["time.h"] = 2,
  ["lua.h"] = 3, ["lauxlib.h"] = 3, ["lualib.h"] = 3,
}

local function source_files()
  local find <close> = assert(io.popen("find core -name '*.[ch]' | sort"))
  local paths = {}
  for path in find:lines() do paths[#paths + 1] = path end
  return paths
end

local function rank_of(include)
  for prefix, value in pairs(foreign) do
    if include:sub(1, #prefix) == prefix then return value end
  end
  return rank[include:match "^(%w+)/"] or 0
end

local function check(path)
  local own = rank[path:match "^core/(%w+)/"]
  for line in io.lines(path) do
    local open, include = line:match '^%s*#%s*include%s*([<"])([^>"]+)'
    if include and rank_of(include) > own then
      error(path .. " includes " .. include, 0)
    elseif open == '"' and not rank[include:match "^(%w+)/"] then
      error(path .. " includes " .. include .. " without its layer", 0)
    end
  end
end

describe("the layers of core/", function()
  for _, path in ipairs(source_files()) do
    it("hold in " .. path, function() check(path) end)
  end
end)
