--- Risks: what runs as the script says, and may yet be a mistake.

local address = require "neap.address"
local options = require "neap.options"
local origin = require "neap.origin"

local risk = {}

--- Returns the options in force for a route, flat.
---@param route table of a plan
---@return table<string, any>
function risk.options_of(route)
  return options.merge(route.room.options, route.options or {})
end

-- ---- of single routes

local PROXY_SECONDS = 60

local of_socket = {}

function of_socket.origins(flat)
  if flat.origins ~= "any" then return nil end
  return 'origins = "any": every web page can connect, with the cookies of its visitor; '
    .. "list the origins that may"
end

function of_socket.message(flat)
  if flat["limits.message"] ~= 0 then return nil end
  return "limits.message = 0: one peer can fill the memory with a message that never ends; "
    .. 'set a limit such as "1M"'
end

function of_socket.ping(flat)
  local ping, idle = flat["timeouts.ping"], flat["timeouts.idle"]
  if ping > PROXY_SECONDS then
    return ("timeouts.ping = %g: nginx and most load balancers close what is silent for %d s; "
      .. "set 50 or less"):format(ping, PROXY_SECONDS)
  end
  if ping == 0 and idle == 0 then
    return "timeouts.ping = 0 and timeouts.idle = 0: a peer that vanishes is never noticed"
  end
end

function of_socket.write(flat)
  if flat["timeouts.write"] ~= 0 then return nil end
  return "timeouts.write = 0: a peer that stops reading keeps its queue for ever"
end

local of_page = {}

function of_page.body(flat)
  if flat["limits.body"] ~= 0 then return nil end
  return "limits.body = 0: one request can fill the memory; set a limit such as \"1M\""
end

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

-- The script itself, found in the directory that is served.
local function holds_script(directory, script)
  local own = script and read_file(script)
  return own and read_file(directory .. "/" .. script:match "[^/]*$") == own
end

local function add_static_risks(route, script, risks)
  local function add(message)
    risks[#risks + 1] = { where = route.where, message = route.label .. ": " .. message }
  end
  if holds_script(route.static, script) then
    add(("the directory %s holds the script itself, and whatever lies beside it; "
      .. "serve a directory of its own"):format(route.static))
  end
  if route.shows_hidden then
    add("hidden = true: files such as .git and .env are served too")
  end
end

local RULES = { { of_socket, { "origins", "message", "ping", "write" } }, { of_page, { "body" } } }

-- One risk that many routes share is told once, with the lines.
local function add_shared(found, message, route)
  local known = found[message]
  if known then
    known.more = known.more + 1
    return
  end
  known = { where = route.where, message = message, label = route.label, more = 0 }
  found[message], found[#found + 1] = known, known
end

local function apply_rules(route, found)
  local flat, rules = risk.options_of(route), RULES[route.method == "WS" and 1 or 2]
  for _, name in ipairs(rules[2]) do
    local message = rules[1][name](flat)
    if message then add_shared(found, message, route) end
  end
end

local function find_in_routes(plan, script, risks)
  local found = {}
  for _, route in ipairs(plan.routes) do
    if route.static then add_static_risks(route, script, risks) end
    if not route.prefix then apply_rules(route, found) end
  end
  for _, each in ipairs(found) do
    local more = each.more > 0 and (" and %d more"):format(each.more) or ""
    each.message = each.label .. more .. ": " .. each.message
    risks[#risks + 1] = each
  end
end

-- ---- of the order

local AUTH_WORDS = { "auth", "login", "session", "token", "guard" }

local function is_auth(item)
  if item.type then return item.type == "auth" end
  local name = (item.name or ""):lower()
  for _, word in ipairs(AUTH_WORDS) do
    if name:find(word, 1, true) then return true end
  end
  return false
end

local function find_open_sockets(plan, risks)
  for _, route in ipairs(plan.routes) do
    local chain = route.room.chain
    for i = route.depth + 1, #chain do
      if route.method == "WS" and is_auth(chain[i]) then
        risks[#risks + 1] = {
          where = route.where,
          message = ("%s does not pass %s (%s), which is registered behind it; "
            .. "move the route below that line"):format(route.label, chain[i].label,
            chain[i].where or "?"),
        }
      end
    end
  end
end

-- {earlier, later, what follows}: pairs of middleware in the wrong order.
local MISPLACED = {
  { "address", "real_ip", "sees the address of the proxy, not of the client" },
  { "auth", "cors", "refuses the preflights of browsers, which carry no credentials" },
}

local function find_misplaced(chain, risks)
  for _, pair in ipairs(MISPLACED) do
    local first
    for _, item in ipairs(chain) do
      if item.type == pair[1] then first = first or item end
      if item.type == pair[2] and first then
        risks[#risks + 1] = {
          where = first.where,
          message = ("%s %s: %s (%s) stands behind it; move that up"):format(
            first.label, pair[3], item.label, item.where or "?"),
        }
        break
      end
    end
  end
end

-- ---- of the app and its listeners

local SYSTEMD_SECONDS, KUBERNETES_SECONDS = 90, 30

local function drain_risk(flat)
  local drain = flat["timeouts.drain"]
  if drain > SYSTEMD_SECONDS then
    return ("timeouts.drain = %g: systemd kills a service %d s after it asked it to stop, "
      .. "Kubernetes after %d"):format(drain, SYSTEMD_SECONDS, KUBERNETES_SECONDS)
  end
  if drain >= KUBERNETES_SECONDS then
    return ("timeouts.drain = %g: Kubernetes kills a pod %d s after it asked it to stop; "
      .. "raise terminationGracePeriodSeconds or set 25"):format(drain, KUBERNETES_SECONDS)
  end
end

local function handshake_risk(flat)
  if flat["timeouts.handshake"] ~= 0 then return nil end
  return "timeouts.handshake = 0: whoever connects and says nothing stays for ever"
end

local function takeover_risk(flat)
  if not flat["deflate.takeover"] or flat["limits.connections"] <= 1000 then return nil end
  return ("deflate.takeover = true keeps about 300K for each connection, of %d at most"):format(
    flat["limits.connections"])
end

local function public_url(urls)
  for _, url in ipairs(urls) do
    local parsed = address.parse(url)
    if parsed and parsed.host and not origin.is_loopback(parsed.host) then return url end
  end
end

-- Only what the proxy alone can reach may be believed.
local function proxy_risk(urls)
  for _, url in ipairs(urls) do
    local parsed = address.parse(url)
    if parsed and parsed.proxy and parsed.host and not origin.is_loopback(parsed.host) then
      return ("%s: whoever connects there can claim any address; let only the proxy reach it")
        :format(url)
    end
  end
end

local function per_ip_risk(flat, url)
  if not url or flat["limits.per_ip"] ~= 0 then return nil end
  return ("limits.per_ip = 0: one address can take all %d connections of %s"):format(
    flat["limits.connections"], url)
end

local function has_auth(plan)
  for _, step in ipairs(plan.steps) do
    if step.kind == "middleware" and step.item.type == "auth" then return step.item end
  end
end

local function plain_risk(plan, url)
  local item = url and url:find("^http:") and has_auth(plan)
  if not item then return nil end
  return ("what %s (%s) asks for travels readable over %s; use https, or a proxy that does")
    :format(item.label, item.where or "?", url)
end

local function no_routes_risk(plan)
  if plan.routes[1] then return nil end
  return "the app has no routes: every request gets a 404"
end

local function find_in_app(plan, how, risks)
  local root = plan.rooms[1]
  local flat, url = root.options, public_url(how.listen or {})
  local function add(message)
    if message then risks[#risks + 1] = { where = root.app.where, message = message } end
  end
  add(no_routes_risk(plan))
  add(drain_risk(flat))
  add(handshake_risk(flat))
  add(takeover_risk(flat))
  add(per_ip_risk(flat, url))
  add(proxy_risk(how.listen or {}))
  add(plain_risk(plan, url))
end

-- What a mounted app says about listeners has no effect.
local function find_idle_options(plan, risks)
  for i = 2, #plan.rooms do
    local room = plan.rooms[i]
    for _, name in ipairs(options.of_app(room.app.options)) do
      risks[#risks + 1] = {
        where = room.app.where,
        message = ("option %s has no effect in the app mounted at %s: it belongs to the one "
          .. "that listens"):format(name, room.prefix),
      }
    end
  end
end

--- Lists what is risky.
---@param plan table from plan.make
---@param how table listen = list of URLs, script = its path
---@return table[] risks {where, message}
function risk.find(plan, how)
  local risks = {}
  find_open_sockets(plan, risks)
  for _, room in ipairs(plan.rooms) do
    if room.app.items[1] then find_misplaced(room.chain, risks) end
  end
  find_in_routes(plan, how.script, risks)
  find_in_app(plan, how, risks)
  find_idle_options(plan, risks)
  return risks
end

return risk
