/* net/balance.h - what must hold for the census at the end of each turn.
 *
 * opened = live + closed; each list is as long as its class lives; the states
 * of connections add up; whoever waits for a peer has a deadline. Debug builds
 * ask at every turn, the audit when it is called. */

#ifndef NEAP_NET_BALANCE_H
#define NEAP_NET_BALANCE_H

#include <stddef.h>

struct neap_loop;

/* Is told, in words, what does not hold. */
typedef void neap_complain_fn(void *arg, const char *text);

void neap_balance_check(const struct neap_loop *loop, neap_complain_fn *say,
                        void *arg);

/* Ends the process, having said what does not hold. */
void neap_balance_assert(const struct neap_loop *loop);

#endif
