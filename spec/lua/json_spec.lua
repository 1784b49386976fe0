local json = require "neap.json"

describe("json", function()
  after_each(function() json.use(nil) end)

  it("goes both ways and keeps whole numbers whole", function()
    local value = json.decode(json.encode { id = 9007199254740993, list = { 1, "ü" } })
    assert.same({ id = 9007199254740993, list = { 1, "ü" } }, value)
  end)

  it("says where wrong text is wrong", function()
    local value, message = json.decode "[1,"
    assert.is_nil(value)
    assert.matches("at byte", message)
  end)

  it("uses the codec that it is given", function()
    json.use { encode = function() return "coded" end, decode = function() return 7 end }
    assert.equal("coded", json.encode {})
    assert.equal(7, json.decode "x")
  end)

  it("says what is missing when dkjson is", function()
    local loaded, preload = package.loaded.dkjson, package.preload.dkjson
    package.loaded.dkjson = nil
    package.preload.dkjson = function() error "not here" end
    finally(function() package.loaded.dkjson, package.preload.dkjson = loaded, preload end)
    local ok, message = pcall(json.encode, {})
    assert.is_false(ok)
    assert.equal("JSON needs the Lua module dkjson, which is not installed "
      .. "(Debian: lua-dkjson; luarocks install dkjson)", message)
  end)
end)
