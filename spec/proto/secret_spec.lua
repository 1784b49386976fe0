local core = require "neap.core"

describe("a secret", function()
  it("is itself alone", function()
    for _, secret in ipairs { "a", "secret", ("x"):rep(100), "\0\0", "" } do
      assert.is_true(core.is_secret(secret, secret))
      for _, given in ipairs {
        secret .. "a", secret .. secret .. "a", secret:sub(1, -2) .. "b", "b" .. secret:sub(2),
        "\0" .. secret, secret .. "\0", "b",
      } do
        if given ~= secret then assert.is_false(core.is_secret(secret, given)) end
      end
    end
  end)

  it("is not what repeats it, nor a part of it", function()
    assert.is_false(core.is_secret("ab", "abab"))
    assert.is_false(core.is_secret("abab", "ab"))
    assert.is_false(core.is_secret("", "\0"))
    assert.is_false(core.is_secret("\0", ""))
    assert.is_false(core.is_secret("a", ""))
    assert.is_false(core.is_secret(("a"):rep(256), "a"))
  end)
end)

describe("random bytes", function()
  it("are as many as asked for, and others each time", function()
    assert.equal(0, #core.random(0))
    assert.equal(256, #core.random(256))
    assert.not_equal(core.random(16), core.random(16))
    assert.has_error(function() core.random(257) end)
  end)
end)
