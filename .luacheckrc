std = "lua54"
max_line_length = 100
codes = true
include_files = { "lua/**/*.lua", "spec/**/*.lua", "examples/**/*.lua", "bench/**/*.lua", "bin/neap" }
files["spec"] = { std = "lua54+busted" }
files["examples/app/spec"] = { std = "lua54+busted" }
files["bench/peers/nginx.lua"] = { std = "ngx_lua" }
