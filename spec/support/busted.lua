-- Runs busted in this very process, for tools that watch a single one
-- (`/usr/bin/busted` starts another interpreter, which may be the wrong one).
require "busted.runner" { standalone = false }
