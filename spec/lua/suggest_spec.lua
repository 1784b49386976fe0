local suggest = require "neap.suggest"

describe("suggest", function()
  local names = { "message", "header", "queue", "ping", "pong" }

  for wrong, meant in pairs {
    mesage = "message", messgae = "message", haeder = "header",
    quque = "queue", pign = "ping", pongs = "pong",
  } do
    it(("takes %s for %s"):format(wrong, meant), function()
      assert.equal(meant, suggest.nearest(wrong, names))
    end)
  end

  it("says nothing when no name is near", function()
    assert.is_nil(suggest.nearest("connections", names))
    assert.equal("", suggest.hint("connections", names))
    assert.equal("", suggest.hint(12, names))
  end)
end)
