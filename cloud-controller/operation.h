/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_OPERATION_H
#define CLOUD_CONTROLLER_OPERATION_H
/* What is done once on an instance's node: a reboot, a read of the console.
 *
 * An operation is a row until its node has reported it done or its time is over; it is executed at most once.
 * Actions: "reboot"; "console", which brings {"output": base64 of the last 64 KiB}. */
#include "cloud-controller/request.h"

/* How long a node may take, in ms. */
#define OPERATION_MS 120000

/* The account's instance that an operation may be done on.  Fails with InvalidInstanceID.NotFound, or
 * IncorrectInstanceState where it does not run.  To be called in a change (brain.h). */
struct error *operation_instance(const struct request_ctx *ctx, const struct cloud_model *c, const char *instance,
                                 struct cloud_instance **ret) _must_check_;

/* Begins one and waits for its end, at most `wait_ms`; 0: does not wait.  *ret_result is the JSON that it brought, NULL
 * where it brought nothing.  Fails as above; with Unavailable where the node did not answer in time or could not do it. */
struct error *operation_run(const struct request_ctx *ctx, const char *instance, const char *action, int64_t wait_ms,
                            char **ret_result) _must_check_;
#endif
