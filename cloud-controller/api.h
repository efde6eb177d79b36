/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_API_H
#define CLOUD_CONTROLLER_API_H
/* The API's listener: EC2 and STS by the query protocol on "/", administration as JSON on "/admin/ACTION", and
 * /healthz and /metrics.  Every request but these two passes the signature's verifier before anything looks at its
 * action.  Handlers run on worker threads; an HTTP thread waits for nothing.  Instances have a listener of their own, where
 * there is EC2 and STS only. */
#include "cloud-controller/cloud.h"

struct api;

struct error *api_open(struct cloud *cloud, struct api **ret) _must_check_;
/* Answers what is under way, then closes. */
void api_close(struct api *a);
#endif
