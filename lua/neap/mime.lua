--- Content types by the ending of a file's name.

local mime = {}

local TEXT = "; charset=utf-8"

local TYPES = {
  html = "text/html" .. TEXT, htm = "text/html" .. TEXT, css = "text/css" .. TEXT,
  js = "text/javascript" .. TEXT, mjs = "text/javascript" .. TEXT, txt = "text/plain" .. TEXT,
  md = "text/markdown" .. TEXT, csv = "text/csv" .. TEXT, xml = "application/xml",
  json = "application/json", map = "application/json", webmanifest = "application/manifest+json",
  wasm = "application/wasm", pdf = "application/pdf", zip = "application/zip",
  gz = "application/gzip", svg = "image/svg+xml", png = "image/png", jpg = "image/jpeg",
  jpeg = "image/jpeg", gif = "image/gif", webp = "image/webp", avif = "image/avif",
  ico = "image/x-icon", bmp = "image/bmp", woff = "font/woff", woff2 = "font/woff2",
  ttf = "font/ttf", otf = "font/otf", mp3 = "audio/mpeg", ogg = "audio/ogg", wav = "audio/wav",
  m4a = "audio/mp4", mp4 = "video/mp4", webm = "video/webm", mov = "video/quicktime",
  ics = "text/calendar" .. TEXT, vtt = "text/vtt" .. TEXT, rss = "application/rss+xml",
  atom = "application/atom+xml", lua = "text/plain" .. TEXT,
}

local SHRINKS = { svg = true, json = true, map = true, xml = true, wasm = true, webmanifest = true,
  ttf = true, otf = true, ico = true, bmp = true, rss = true, atom = true }

local function ending_of(path)
  local ending = path:match "[^/.]%.([%w]+)$"
  return ending and ending:lower()
end

--- Returns the content type of a file; bytes of no known kind by default.
---@param path string
---@param own table<string, string>|nil by ending, before neap's
---@return string
function mime.type_of(path, own)
  local ending = ending_of(path)
  return ending and (own and own[ending] or TYPES[ending]) or "application/octet-stream"
end

--- Says whether a file of this type is worth compressing.
---@param path string
---@param kind string its content type
---@return boolean
function mime.shrinks(path, kind)
  return kind:find "^text/" ~= nil or SHRINKS[ending_of(path)] or false
end

return mime
