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

  it("puts it as a question, from a list or the keys of a table", function()
    assert.equal("; did you mean ping?", suggest.hint("pign", names))
    assert.equal("; did you mean ping?", suggest.did_you_mean("pign", { ping = true, pong = 1 }))
  end)

  it("says nothing when no name is near", function()
    assert.is_nil(suggest.nearest("connections", names))
    assert.equal("", suggest.hint("connections", names))
    assert.equal("", suggest.hint(12, names))
  end)
end)
