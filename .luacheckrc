std = "lua54"
max_line_length = 100
codes = true
include_files = { "lua", "spec", "examples", "bench", "bin/neap" }
files["spec"] = { std = "lua54+busted" }
