/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_NETWORK_NETNS_H
#define NODE_CONTROLLER_NETWORK_NETNS_H
/* Work inside a network namespace.
 *
 * A namespace is entered by a thread that ends afterwards, so no other thread is ever moved; what the thread spawns or
 * opens belongs to the namespace.  Named namespaces are those of `ip netns`. */
#include "common/base/str.h"
#include "node-controller/network/address.h"

#define NETNS_FOLDER "/run/netns"

/* The calling thread's own. */
struct error *netns_own(int *ret_fd) _must_check_;
/* ERROR_NOT_FOUND where there is none of that name; a name without a namespace behind it is removed. */
struct error *netns_open(const char *name, int *ret_fd) _must_check_;
/* Runs fn(arg) in the namespace and gives what it returns. */
struct error *netns_run(int ns, struct error *(*fn)(void *arg), void *arg) _must_check_;

/* Runs `program` ("ip", "bridge") with `-batch -` in the namespace, a command a line; stops at the first that fails. */
struct error *netns_batch(int ns, const char *program, const char *commands) _must_check_;
/* The JSON that `ip -json …` prints there; the argv without its first two words. */
struct error *netns_ask(int ns, const char *const *argv, struct str *ret) _must_check_;

/* For fn(): writes a value under /proc/sys/ and reads it back. */
struct error *sysctl_set(const char *key, const char *value) _must_check_;
/* True where it has that value. */
bool sysctl_is(const char *key, const char *value);
bool device_exists(const char *name);
#endif
