/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SERVICE_ASK_H
#define IMAGE_SERVICE_ASK_H
/* Questions to the Cloud Controller, by its admin API.  One thread at a time per caller. */
#include "api/aws-call.h"
#include "common/json/json.h"

/* Takes `in`, to which the service's public key is added. */
struct error *ask_cloud(struct aws_caller *cloud, const char *public_key, const char *action, json_t *in, json_t **ret)
    _must_check_;
#endif
