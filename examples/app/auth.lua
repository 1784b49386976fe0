--- Who may come in: a name and the common password open a session, and a cookie
--- carries it from then on.
local database = require "database"

local auth = {}

local DAY = 24 * 60 * 60

local function random_token()
  local file <close> = assert(io.open("/dev/urandom", "rb"))
  return (file:read(16):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- Takes as long for a wrong password as for the right one.
local function is_same(given, secret)
  local difference = #given ~ #secret
  for i = 1, #given do
    difference = difference | (given:byte(i) ~ secret:byte((i - 1) % #secret + 1))
  end
  return difference == 0
end

--- Opens a session, and returns its token.
function auth.open_session(db, name)
  local token = random_token()
  database.run(db, "delete from sessions where ends < ?", os.time())
  database.run(db, "insert into sessions values (?, ?, ?)", token, name, os.time() + 7 * DAY)
  return token
end

local function find_name(db, token)
  local found = database.rows(db, "select name from sessions where token = ? and ends > ?",
    token, os.time())
  return found[1] and found[1].name
end

local function sign_in(password)
  return function(req)
    local given = assert(req:json())
    if type(given) ~= "table" then return req:reject(400, "send a name and a password") end
    local name = type(given.name) == "string" and given.name:match "^%s*([^%c]+)"
    if not name or not is_same(tostring(given.password), password) then
      return req:reject(403, "that is not the password")
    end
    local token = auth.open_session(assert(req:get "db"), name)
    req:set_cookie("session", token, { max_age = 7 * DAY, same_site = "Strict" })
    return req:json { name = name }
  end
end

local function sign_out(req)
  local token = req:cookie "session"
  if token then
    database.run(assert(req:get "db"), "delete from sessions where token = ?", token)
  end
  req:set_cookie "session"
  return req:text "bye"
end

--- Serves signing in and out.
function auth.serve(app, password)
  app:post("/session", { limits = { body = "1K" } }, sign_in(password))
  app:delete("/session", sign_out)
end

--- Middleware: lets in who has a session; the name becomes req.ctx.user.
function auth.required(req, next)
  local token = req:cookie "session"
  local name = token and find_name(assert(req:get "db"), token)
  if not name then return req:reject(401, "sign in first") end
  req.ctx.user = name
  return next(req)
end

return auth
