--- The audit: does the world agree with the census?
--
-- The census is what neap says of itself. The audit asks those who cannot be
-- mistaken: the kernel for descriptors, libuv for its handles, the allocator
-- for memory.

local census = require "neap.census"
local core = require "neap.core"
local site = require "neap.site"

local audit = {}

-- Classes that hold C memory: as long as none of them has grown, nor may it.
local IN_C = { "listener", "stream", "socket", "lookup", "subscription", "topic", "frame_buffer",
  "tls", "tls_context", "deflate", "inflate", "request" }

local function has_grown(counts, since)
  for _, class in ipairs(IN_C) do
    if counts[class].live > since.counts[class].live
      or counts[class].bytes > since.counts[class].bytes then return true end
  end
  return false
end

local function compare(result, since)
  local more = result.bytes - since.bytes
  if more > 0 and not has_grown(result.counts, since) then
    result[#result + 1] = ("C memory has grown by %d bytes in %d blocks, the census has not")
      :format(more, result.blocks - since.blocks)
  end
  if result.descriptors > since.descriptors and not has_grown(result.counts, since) then
    result[#result + 1] = ("%d descriptors more than before, and nothing that owns them")
      :format(result.descriptors - since.descriptors)
  end
end

local audit_mt = {
  __name = "neap.audit",
  __tostring = function(result)
    if result.ok then return "ok" end
    return table.concat(result, "\n")
  end,
}

local KNOWN = { collect = true, since = true }

local function check(how)
  site.expect(how, "table or nil", "neap.audit's options")
  for name in pairs(how or {}) do
    if not KNOWN[name] then
      site.fail("neap.audit has no option %s; it takes collect and since", tostring(name))
    end
  end
  site.expect(how and how.since, "table or nil", "since")
  if how and how.since and getmetatable(how.since) ~= audit_mt then
    site.fail("since is the result of an earlier neap.audit()")
  end
end

--- Compares the census with the process's descriptors, libuv's handles and the
--- allocator.
---@param how table|nil {collect = true} first collects garbage and gives back
--- what is kept for later; {since = result} also finds memory that has grown
---@return table|nil result {ok, descriptors, foreign, handles, blocks, bytes, [i] = difference},
--- or nil, message, code where it cannot be done
---@return string|nil message
---@return string|nil code
function audit.run(how)
  check(how)
  if how and how.collect then
    core.trim()
    census.take { collect = true }
  end
  local result, message, code = core.audit()
  if not result then return nil, message, code end
  result.counts = core.counts()
  if how and how.since then compare(result, how.since) end
  result.ok = #result == 0
  return setmetatable(result, audit_mt)
end

return audit
