--- The command line of neap connect.

local suggest = require "neap.suggest"

local arguments = {}

arguments.USAGE = [=[
usage: neap connect URL [options]

Talks to a WebSocket server: each line that is typed, or read from a pipe, is a
message; what arrives is printed.

  -H, --header 'NAME: VALUE'  sent with the request; may be repeated
      --protocol NAME         a subprotocol to ask for; may be repeated
      --binary                sends lines as binary messages
      --json                  prints JSON over several lines
  -t, --timestamps            prints when each message came
      --ping SECONDS          pings so often, and prints the round-trip time
      --keepalive SECONDS     after so long a silence pings, and gives up when
                              there is no answer in the same time (20; 0: never)
      --rtt                   prints the round-trip time once connected
      --wait SECONDS          after the end of a pipe waits for answers until
                              there was none for so long (1), then closes
      --reconnect             comes back whenever the connection ends
      --timeout SECONDS       for connecting (10)
      --proxy URL             http://… or socks5://…; by default the one that
                              the environment names; --no-proxy: none
      --ca FILE               certificates to trust instead of the system's
      --cert FILE --key FILE  a certificate of our own
      --insecure              trusts any certificate
  -q, --quiet                 prints messages and nothing else
      --help

Typed lines that begin with a slash are commands: /ping, /close [CODE [REASON]],
/quit, /help; //text sends "/text".

Exit status: 0 the connection was closed in good order; 1 there was none; 2 the
command line is wrong; 3 the server closed it with an error; 4 it was lost.
]=]

local SHORT = { H = "header", t = "timestamps", q = "quiet", h = "help" }

local FLAGS = {
  binary = true, json = true, timestamps = true, rtt = true, reconnect = true, insecure = true,
  quiet = true, help = true, ["no-proxy"] = true,
}

local SECONDS = { ping = true, keepalive = true, wait = true, timeout = true }

local TEXTS = { proxy = true, ca = true, cert = true, key = true }

local NAMES = { "header", "protocol" }
for _, set in ipairs { FLAGS, SECONDS, TEXTS } do
  for name in pairs(set) do NAMES[#NAMES + 1] = name end
end

local function take_header(parsed, value)
  local name, text = value:match "^([^:%s]+):%s*(.-)%s*$"
  if not name then return nil, ("--header takes 'NAME: VALUE', not %s"):format(value) end
  parsed.headers[name] = text
  return true
end

local function take_seconds(parsed, name, value)
  local seconds = tonumber(value)
  if not seconds or not (seconds >= 0 and seconds < 2 ^ 31) then
    return nil, ("--%s takes a number of seconds, not %s"):format(name, value)
  end
  parsed[name] = seconds
  return true
end

local function take(parsed, name, value)
  if name == "header" then return take_header(parsed, value) end
  if SECONDS[name] then return take_seconds(parsed, name, value) end
  if name == "protocol" then
    for protocol in value:gmatch "[^%s,]+" do table.insert(parsed.protocols, protocol) end
    return true
  end
  parsed[name] = value
  return true
end

-- "--name=value", "--name", "-H" and "-Hvalue".
local function split(word)
  local name, value = word:match "^%-%-([^=]+)=(.*)$"
  if name then return name, value end
  name = word:match "^%-%-(.+)$"
  if name then return name end
  local letter, rest = word:match "^%-(.)(.*)$"
  return SHORT[letter] or letter, rest ~= "" and rest or nil
end

local function is_known(name)
  for _, known in ipairs(NAMES) do
    if known == name then return true end
  end
  return false
end

-- Reads the option at argv[i]; returns the index of the last word used.
local function read_option(parsed, argv, i)
  local name, value = split(argv[i])
  local shown = argv[i]:match "^[^=]+"
  if not is_known(name) then
    local near = suggest.nearest(name, NAMES)
    return nil, ("unknown option %s%s"):format(shown,
      near and ("; did you mean --%s?"):format(near) or "")
  end
  if FLAGS[name] then
    if value then return nil, shown .. " takes no value" end
    parsed[name] = true
    return i
  end
  if not value then i, value = i + 1, argv[i + 1] end
  if not value then return nil, shown .. " needs a value" end
  local ok, message = take(parsed, name, value)
  return ok and i, message
end

--- Reads the words behind `neap connect`.
---@param argv string[]
---@return table|nil parsed {url, headers, protocols, and each option by its name}
---@return string|nil message
function arguments.parse(argv)
  local parsed = { headers = {}, protocols = {} }
  local i = 1
  while i <= #argv do
    local word = argv[i]
    if word:find "^%-." then
      local used, message = read_option(parsed, argv, i)
      if not used then return nil, message end
      i = used
    elseif parsed.url then
      return nil, "unexpected " .. word
    else
      parsed.url = word
    end
    i = i + 1
  end
  if not parsed.url and not parsed.help then return nil, "which URL?" end
  return parsed
end

-- A bare host is what people type; the scheme can be left out.
local function with_scheme(url)
  if url:find "^%a[%w+.-]*:/" or url:find "^ws%+unix:" then return url end
  return "ws://" .. url
end

--- What neap.client takes, made of the command line.
---@param parsed table
---@return table options
function arguments.options(parsed)
  local keepalive = parsed.keepalive or 20
  local proxy = parsed.proxy or "env"
  if parsed["no-proxy"] then proxy = false end
  return {
    url = with_scheme(parsed.url), headers = parsed.headers, protocols = parsed.protocols,
    timeout = parsed.timeout, proxy = proxy, redirects = 5,
    ca = parsed.ca, cert = parsed.cert, key = parsed.key, insecure = parsed.insecure,
    timeouts = { ping = keepalive, pong = keepalive }, limits = { message = "64M", queue = "16M" },
    outbox = "16M", reconnect = parsed.reconnect and {} or false,
  }
end

return arguments
