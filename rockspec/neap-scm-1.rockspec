rockspec_format = "3.0"
package = "neap"
version = "scm-1"
source = {
  url = ".",
}
description = {
  summary = "WebSocket server and client for Lua on a C core",
  detailed = [[
    Serves and speaks WebSocket with handlers written in Lua. Everything
    belongs to a scope, and a scope ends all that it owns, exactly once.]],
  license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.4, < 5.6",
}
external_dependencies = {
  LIBUV = { header = "uv.h" },
  OPENSSL = { header = "openssl/ssl.h" },
  ZLIB = { header = "zlib.h" },
  LIBDEFLATE = { header = "libdeflate.h" },
}
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_C_FLAGS = "$(CFLAGS)",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
    BINDIR = "$(BINDIR)",
    NEAP_WERROR = "OFF",
  },
}
