local fake_core = require "spec.support.fake_core"

describe("a drain's batches", function()
  local drain

  setup(function()
    fake_core.install()
    drain = require "neap.drain"
  end)

  teardown(fake_core.remove)

  for _, row in ipairs {
    -- connections, seconds to the deadline, connections in a batch
    { 0, 25, 1000 }, { 999, 25, 1000 }, { 5000, 25, 1000 },
    { 1000000, 25, 8000 }, { 20000, 1, 4000 }, { 5000, 0, 5000 }, { 5000, -1, 5000 },
  } do
    local count, window, size = table.unpack(row)
    it(("of %d connections in %d s are of %d"):format(count, window, size), function()
      assert.equal(size, drain.batch_size(count, window))
    end)
  end
end)
