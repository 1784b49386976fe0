/* Topics, as a script sees them. */

#include "bind/conn.h"
#include "bind/options.h"
#include "net/topic.h"
#include "net/topic_pattern.h"
#include "proto/status.h"
#include "proto/utf8.h"

/* What conn:subscribe and unsubscribe are given. */
struct wish {
  const char *name;
  size_t len;
  bool is_pattern;
  enum neap_overflow overflow;
};

static enum neap_overflow opt_overflow(lua_State *L, int index) {
  static const char *const names[] = {"close", "drop_new", "drop_old", "latest",
                                      "wait",  "",         NULL};
  lua_getfield(L, index, "overflow");
  int choice = luaL_checkoption(L, -1, "", names);
  lua_pop(L, 1);
  return (enum neap_overflow)choice;
}

static struct wish check_wish(lua_State *L) {
  static const char *const names[] = {"pattern", "overflow", NULL};
  struct wish wish = {.overflow = NEAP_OVERFLOW_ROUTE};
  wish.name = luaL_checklstring(L, 2, &wish.len);
  if (lua_isnoneornil(L, 3))
    return wish;
  neap_options_check(L, 3, names);
  lua_getfield(L, 3, "pattern");
  wish.is_pattern = lua_toboolean(L, -1);
  lua_pop(L, 1);
  wish.overflow = opt_overflow(L, 3);
  const char *fault =
    wish.is_pattern ? neap_pattern_check(wish.name, wish.len) : NULL;
  luaL_argcheck(L, fault == NULL, 2, fault);
  return wish;
}

/* conn:subscribe(topic [, {pattern =, overflow =}]) -> true | nil, message,
 * code */
static int conn_subscribe(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  struct wish wish = check_wish(L);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  int status = neap_topic_subscribe(box->conn, wish.name, wish.len,
                                    wish.is_pattern, wish.overflow);
  return neap_push_status(L, status < 0 ? status : NEAP_OK);
}

/* conn:unsubscribe(topic [, {pattern =}]) -> true if it was subscribed */
static int conn_unsubscribe(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  struct wish wish = check_wish(L);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  lua_pushboolean(
    L, neap_topic_unsubscribe(box->conn, wish.name, wish.len, wish.is_pattern));
  return 1;
}

static void add_topic(const char *name, size_t len, bool is_pattern,
                      void *arg) {
  lua_State *L = arg;
  int list = is_pattern ? 3 : 2;
  lua_pushlstring(L, name, len);
  lua_rawseti(L, list, (lua_Integer)lua_rawlen(L, list) + 1);
}

/* conn:topics() -> array of names, array of patterns */
static int conn_topics(lua_State *L) {
  neap_conn_box *box = neap_conn_check(L, 1);
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  lua_settop(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  neap_topics_each(box->conn, add_topic, L);
  return 2;
}

static int publish(lua_State *L, neap_loop *loop, int first,
                   neap_publication *to) {
  size_t len;
  to->topic = luaL_checklstring(L, first, &to->topic_len);
  const char *data = luaL_checklstring(L, first + 1, &len);
  enum neap_opcode opcode = neap_opt_kind(L, first + 2);
  if (opcode == NEAP_OP_TEXT && !neap_utf8_is_valid((const uint8_t *)data, len))
    return neap_push_failure(L, NEAP_EPROTO, NEAP_NOT_UTF8_TEXT);
  int reached = neap_topic_publish(loop->topics, to, opcode, data, len);
  if (reached < 0)
    return neap_push_status(L, reached);
  lua_pushinteger(L, reached);
  return 1;
}

/* conn:publish(topic, data [, kind [, {key =}]]) -> how many it reached, never
 * itself */
static int conn_publish(lua_State *L) {
  static const char *const names[] = {"key", NULL};
  neap_conn_box *box = neap_conn_check(L, 1);
  neap_publication to = {0};
  if (!lua_isnoneornil(L, 5)) {
    neap_options_check(L, 5, names);
    to.key = neap_key_field(L, 5);
  }
  if (box->conn == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  to.except = box->conn;
  return publish(L, box->conn->loop, 2, &to);
}

/* core.publish(topic, data [, kind [, {except =, key =}]]) -> how many it
 * reached */
int neap_publish(lua_State *L) {
  static const char *const names[] = {"except", "key", NULL};
  neap_runtime *rt = neap_runtime_of(L);
  neap_publication to = {0};
  if (!lua_isnoneornil(L, 4)) {
    neap_options_check(L, 4, names);
    to.key = neap_key_field(L, 4);
    if (lua_getfield(L, 4, "except") != LUA_TNIL)
      to.except = neap_conn_check(L, -1)->conn;
    lua_pop(L, 1);
  }
  if (rt->loop == NULL)
    return neap_push_status(L, NEAP_ECLOSED);
  return publish(L, rt->loop, 1, &to);
}

const luaL_Reg neap_conn_topic_methods[] = {{"subscribe", conn_subscribe},
                                            {"unsubscribe", conn_unsubscribe},
                                            {"topics", conn_topics},
                                            {"publish", conn_publish},
                                            {NULL, NULL}};
