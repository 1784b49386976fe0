/* The C module neap.core: what lua/neap/ stands on. */

#include <lauxlib.h>
#include <lua.h>

#include "bind/audit.h"
#include "bind/census.h"
#include "bind/codec.h"
#include "bind/codec_http.h"
#include "bind/conn.h"
#include "bind/dial.h"
#include "bind/file.h"
#include "bind/listener.h"
#include "bind/lookup.h"
#include "bind/loop.h"
#include "bind/pace.h"
#include "bind/pipe.h"
#include "bind/request.h"
#include "bind/route.h"
#include "bind/running.h"
#include "bind/secret.h"
#include "bind/site.h"
#include "bind/socket.h"
#include "bind/supervisor.h"
#include "bind/task.h"
#include "bind/timer.h"
#include "bind/tls.h"
#include "bind/worker.h"

int luaopen_neap_core(lua_State *L) {
  luaL_checkversion(L);
  neap_runtime_open(L);
  lua_newtable(L);
  lua_pushliteral(L, "0.1.0");
  lua_setfield(L, -2, "version");
  neap_bind_loop(L);
  neap_bind_pace(L);
  neap_bind_running(L);
  neap_bind_task(L);
  neap_bind_timer(L);
  neap_bind_census(L);
  neap_bind_audit(L);
  neap_bind_site(L);
  neap_bind_route(L);
  neap_bind_tls(L);
  neap_bind_listener(L);
  neap_bind_request(L);
  neap_bind_file(L);
  neap_bind_conn(L);
  neap_bind_worker(L);
  neap_bind_lookup(L);
  neap_bind_socket(L);
  neap_bind_dial(L);
  neap_bind_pipe(L);
  neap_bind_secret(L);
  neap_bind_supervisor(L);
  lua_newtable(L);
  neap_bind_codec(L);
  neap_bind_codec_http(L);
  neap_bind_codec_body(L);
  neap_bind_codec_proxy(L);
  lua_setfield(L, -2, "codec");
  return 1;
}
