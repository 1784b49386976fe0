/* receive and messages: a task waits for what the peer sends. */

#include "bind/conn.h"
#include "proto/status.h"

static void push_kind(lua_State *L, const neap_runtime *rt,
                      enum neap_opcode opcode) {
  lua_rawgeti(L, LUA_REGISTRYINDEX,
              opcode == NEAP_OP_TEXT ? rt->text : rt->binary);
}

static int take_from_inbox(lua_State *L, neap_conn_box *box) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_letter *letter = neap_conn_take_letter(box);
  lua_pushlstring(L, (const char *)letter->data, letter->len);
  push_kind(L, rt, letter->opcode);
  neap_letter_free(letter, &rt->loop->census);
  neap_conn_has_room(box);
  return 2;
}

static bool is_open(const neap_conn_box *box) {
  return box->conn && box->conn->state == NEAP_CONN_OPEN;
}

/* The first such answer comes in the next turn; whoever asks again while the
 * closing goes on waits for its end, so that no loop spins. */
static int answer_closed(lua_State *L, neap_conn_box *box) {
  if (!box->is_ended || box->conn == NULL) {
    box->is_ended = true;
    return neap_task_yield(L, NEAP_ECLOSED);
  }
  return neap_task_park(L, &box->receiver, -1, NEAP_ETIMEOUT);
}

static int receive(lua_State *L, lua_Number timeout) {
  neap_conn_box *box = neap_conn_check(L, 1);
  neap_task_check(L);
  box->has_reader = true;
  if (neap_conn_receiver(box))
    return neap_push_failure(L, NEAP_EBUSY,
                             "another task is receiving on this connection");
  if (box->has_letters)
    return take_from_inbox(L, box);
  if (!is_open(box))
    return answer_closed(L, box);
  return neap_task_park(L, &box->receiver, timeout, NEAP_ETIMEOUT);
}

/* conn:receive([seconds]) -> data, kind | nil, message, code */
static int conn_receive(lua_State *L) {
  lua_Number timeout = luaL_optnumber(L, 2, -1);
  luaL_argcheck(L, timeout >= 0 || lua_isnoneornil(L, 2), 2,
                "a time must not be negative");
  return receive(L, timeout);
}

static int next_message(lua_State *L) {
  lua_settop(L, 1);
  return receive(L, -1);
}

/* for data, kind in conn:messages() do ... end */
static int conn_messages(lua_State *L) {
  neap_conn_check(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushcclosure(L, next_message, 1);
  lua_pushvalue(L, 1);
  return 2;
}

const luaL_Reg neap_conn_receive_methods[] = {
  {"receive", conn_receive}, {"messages", conn_messages}, {NULL, NULL}};
