/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_HYPERVISOR_BOUNDED_H
#define NODE_CONTROLLER_HYPERVISOR_BOUNDED_H
/* Calls that may never come back, waited for up to a deadline.
 *
 * Each call runs on a thread of its own; past the deadline its caller goes on with ERROR_TIMEOUT and the thread is
 * left to end when it can, its result dropped.  A call belongs to a subject (an instance id): while one is on its way,
 * the next of the same subject is refused with ERROR_TIMEOUT, because the first may still take effect. */
#include <stdint.h>
#include "common/base/error.h"

struct bounded;

struct bounded *bounded_new(void);
/* From now on every caller, waiting or new, gets ERROR_TIMEOUT at once. */
void bounded_cancel(struct bounded *b);
/* Waits a moment for calls on their way; false where some are left, which then keep `b` alive and free it. */
bool bounded_free(struct bounded *b);

/* Runs fn(arg) with `arg` owned by the call: free_arg(arg) runs when both caller and call are through with it; what
 * fn leaves in `arg` may be read by the caller only after a result other than ERROR_TIMEOUT, through `use` (or NULL),
 * which runs on the caller's thread before free_arg. */
struct error *bounded_run(struct bounded *b, const char *subject, int64_t deadline_ms,
                          struct error *(*fn)(void *arg), void (*use)(void *arg, void *to), void *to, void *arg,
                          void (*free_arg)(void *arg)) _must_check_;
#endif
