#!/usr/bin/env bash
# nginx.sh PORT [tls] | --check: the bench's jobs for nginx with lua, in one
# process. NEAP_RESTY names the lib directory of lua-resty-websocket. With
# --check it only says in one line what is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

module=/usr/lib/nginx/modules/ngx_http_lua_module.so
websocket=${NEAP_RESTY:-}/resty/websocket/server.lua

missing() {
  echo "$1"
  exit 1
}

[ -e $module ] || missing "packages nginx and libnginx-mod-http-lua"
[ -n "${NEAP_RESTY:-}" ] ||
  missing "NEAP_RESTY=the lib of github.com/openresty/lua-resty-websocket"
[ -e "$websocket" ] || missing "$websocket, where NEAP_RESTY points"
[ "$1" != --check ] || exit 0

port=$1 tls='' pem=$PWD/build/bench
[ "${2:-}" != tls ] ||
  tls="ssl; ssl_certificate $pem/cert.pem; ssl_certificate_key $pem/key.pem"
dir=$PWD/build/bench/nginx-$port
mkdir -p "$dir"
cat >"$dir/nginx.conf" <<CONF
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module $module;
daemon off;
master_process off;
pid $dir/pid;
error_log stderr error;
events { worker_connections 65536; }
http {
  access_log off;
  client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
  uwsgi_temp_path $dir; scgi_temp_path $dir;
  lua_package_path "$PWD/bench/peers/?.lua;$NEAP_RESTY/?.lua;;";
  lua_socket_log_errors off;
  lua_check_client_abort on;
  server {
    listen 127.0.0.1:$port $tls;
    location / { content_by_lua_block { require("nginx").serve() } }
  }
}
CONF
exec nginx -p "$dir" -c "$dir/nginx.conf"
