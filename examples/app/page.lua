--- The page, and what it needs.
local page = {}

local TYPES = {
  ["index.html"] = "text/html; charset=utf-8",
  ["board.css"] = "text/css; charset=utf-8",
  ["board.js"] = "text/javascript; charset=utf-8",
}

--- Serves the files of `folder`.
function page.serve(app, folder)
  for name, kind in pairs(TYPES) do
    app:get(name == "index.html" and "/" or "/" .. name, function(req)
      local file <close> = assert(io.open(folder .. name))
      return req:text(file:read "a", 200, { ["Content-Type"] = kind })
    end)
  end
end

return page
