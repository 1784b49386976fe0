--- JSON through dkjson, or through any codec that the app sets in its place.

local json = {}

local codec

local function load_codec()
  local found, dkjson = pcall(require, "dkjson")
  if not found then
    error("JSON needs the Lua module dkjson, which is not installed "
      .. "(Debian: lua-dkjson; luarocks install dkjson)", 0)
  end
  codec = { encode = dkjson.encode, decode = dkjson.decode }
  return codec
end

--- Uses `other`, a table with encode(value) and decode(text), instead of dkjson.
---@param other table|nil nil goes back to dkjson
function json.use(other)
  codec = other
end

--- Returns `value` as JSON text; raises when it has no JSON form.
---@param value any
---@return string
function json.encode(value)
  local ok, text = pcall((codec or load_codec()).encode, value)
  if ok then return text end
  error((tostring(text):gsub("^[^\n:]*:%d+: ", "")), 0) -- the codec's line helps nobody
end

--- Returns the value of JSON `text`.
---@param text string
---@return any value nil when the text is wrong
---@return string|nil message
function json.decode(text)
  local value, position, message = (codec or load_codec()).decode(text)
  if message then
    return nil, ("%s (at byte %s)"):format(message, tostring(position))
  end
  return value
end

return json
