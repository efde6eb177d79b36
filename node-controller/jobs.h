/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_JOBS_H
#define NODE_CONTROLLER_JOBS_H
/* The model's jobs, carried out on worker threads; each posts its result to the main loop. */
#include "node-controller/node.h"

void jobs_start(struct node *n, const struct node_effect *e);
#endif
