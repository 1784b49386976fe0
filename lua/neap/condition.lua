--- Conditions: whether a client has what it asks for already, and which part of it
--- it wants (RFC 9110, sections 13 and 14).

local condition = {}

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = {
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
}

local month_number = {}
for number, name in ipairs(MONTHS) do month_number[name] = number end

--- Returns a moment as HTTP writes it, whatever the locale.
---@param seconds integer since 1970
---@return string
function condition.format_date(seconds)
  local t = os.date("!*t", seconds)
  return ("%s, %02d %s %d %02d:%02d:%02d GMT"):format(
    DAYS[t.wday], t.day, MONTHS[t.month], t.year, t.hour, t.min, t.sec)
end

-- Days since 1970 in the Gregorian calendar, with March as the first month.
local function days_since(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400
    + (153 * (month - 3) + 2) // 5 + day - 719469
end

--- Reads a moment that format_date has written; nil for anything else.
---@param text string
---@return integer|nil seconds since 1970
function condition.parse_date(text)
  local day, name, year, hour, min, sec =
    text:match "^%a%a%a, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$"
  local month = month_number[name]
  if not month then return nil end
  local days = days_since(math.tointeger(year), month, math.tointeger(day))
  return ((days * 24 + math.tointeger(hour)) * 60 + math.tointeger(min)) * 60 + math.tointeger(sec)
end

local function lists(header, etag, is_weak)
  if header:find "^%s*%*%s*$" then return true end
  for weak, tag in header:gmatch '(W?/?)("[^"]*")' do
    if tag == etag and (is_weak or weak == "") then return true end
  end
  return false
end

--- Says what a request's conditions make of it.
---@param req table with header(name)
---@param etag string with its quotes
---@param changed integer seconds since 1970
---@return integer|nil status 304 or 412; nil: go on
function condition.check(req, etag, changed)
  local match, since = req:header "if-match", req:header "if-unmodified-since"
  if match then
    if not lists(match, etag, false) then return 412 end
  elseif since then
    local moment = condition.parse_date(since)
    if moment and changed > moment then return 412 end
  end
  local none = req:header "if-none-match"
  if none then return lists(none, etag, true) and 304 or nil end
  local known = req:header "if-modified-since"
  local moment = known and condition.parse_date(known)
  return moment and changed <= moment and 304 or nil
end

local function is_current(req, etag, changed)
  local known = req:header "if-range"
  if not known then return true end
  if known:find '"' then return known == etag end
  return condition.parse_date(known) == changed
end

local function to_number(digits)
  return #digits <= 15 and math.tointeger(digits) or math.maxinteger
end

--- Returns the one part that a request wants of `size` bytes; several parts, or
--- what is no range, is the whole.
---@param req table with method and header(name)
---@param size integer
---@param etag string
---@param changed integer
---@return integer|nil from nil: the whole; false: no part of it
---@return integer|nil length
function condition.range(req, size, etag, changed)
  local header = req.method == "GET" and req:header "range"
  local first, last = (header or ""):match "^%s*[bB][yY][tT][eE][sS]=%s*(%d*)%-(%d*)%s*$"
  if not first or first .. last == "" or not is_current(req, etag, changed) then return nil end
  local from, stop
  if first == "" then
    from, stop = math.max(0, size - to_number(last)), size - 1
  else
    from = to_number(first)
    stop = last == "" and size - 1 or math.min(to_number(last), size - 1)
    if last ~= "" and to_number(last) < from then return nil end
  end
  if from >= size or last == "0" and first == "" then return false end
  return from, stop - from + 1
end

--- Returns the codings of `known` that a client takes, in that order.
---@param header string|nil Accept-Encoding
---@param known string[]
---@return string[]
function condition.codings(header, known)
  local weights, taken = {}, {}
  for name, rest in (header or ""):gmatch "([^%s,;]+)([^,]*)" do
    weights[name:lower()] = tonumber(rest:match "[qQ]=([%d.]+)" or "1") or 0
  end
  for _, name in ipairs(known) do
    if (weights[name] or weights["*"] or 0) > 0 then taken[#taken + 1] = name end
  end
  return taken
end

return condition
