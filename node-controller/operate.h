/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_OPERATE_H
#define NODE_CONTROLLER_OPERATE_H
/* What is done once to a running instance, on a worker thread that may wait.
 *
 *   reboot   the guest is asked; one that has not begun anew in its time is reset
 *   console  {"output": base64 of the last 64 KiB that it wrote to its serial port} */
#include "node-controller/hypervisor/hypervisor.h"

struct operator;

struct operate_request {
    struct id instance, cloud;
    const char *action;
    const char *console; /* path of the console's log */
    int64_t patience;    /* ms that a guest has for its reboot */
};

struct operator *operator_new(struct hypervisor *h);
/* Nobody waits any longer. */
void operator_interrupt(struct operator *o);
void operator_free(struct operator *o);
/* The hypervisor says that the instance's guest began anew. Any thread. */
void operator_rebooted(struct operator *o, const struct id *instance);
/* *ret_body is allocated, NULL where nothing is brought. */
struct error *operator_run(struct operator *o, const struct operate_request *r, char **ret_body) _must_check_;
#endif
