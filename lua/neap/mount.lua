--- Mounting: an app enters another, once, and lives and ends with it.

local router = require "neap.router"
local scope = require "neap.scope"
local site = require "neap.site"

local mount = {}

local function refuse_prefix(prefix)
  local ok, message = router.new():add("*", prefix, {})
  if not ok then site.fail("%s", (message:gsub("^path", "prefix"))) end
  if prefix:find("*", 1, true) then
    site.fail("prefix %s can't have a *rest: the mounted app's paths stand there", prefix)
  end
end

local function refuse_twice(other)
  if other.mounted then
    site.fail("the app made at %s is mounted already, at %s; make another one for this prefix",
      other.where or "?", other.mounted.where or "?")
  end
  if other.is_frozen then
    site.fail("the app made at %s listens by itself already", other.where or "?")
  end
end

-- From `app` up to the one that listens.
local function refuse_cycle(app, other)
  local at = app
  while at do
    if at == other then
      site.fail("an app can't be mounted in itself: the one made at %s holds this one%s",
        other.where or "?", at == app and "" or " already")
    end
    at = at.mounted and at.mounted.into
  end
end

--- Makes `other` a part of `app`; raises at the script's line when it can't be.
---@param app table
---@param other table
---@param prefix string
function mount.enter(app, other, prefix)
  refuse_prefix(prefix)
  refuse_twice(other)
  refuse_cycle(app, other)
  other.mounted = { into = app, prefix = prefix, where = site.caller() }
  scope.place(other.scope, app.scope)
end

--- Raises when an app that is a part of another is to listen by itself.
---@param app table
function mount.refuse_alone(app)
  if not app.mounted then return end
  site.fail("this app is mounted at %s (%s); let the app that holds it listen",
    app.mounted.prefix, app.mounted.where or "?")
end

return mount
