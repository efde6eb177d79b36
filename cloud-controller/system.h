/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_SYSTEM_H
#define CLOUD_CONTROLLER_SYSTEM_H
/* The account of the cloud's own parts: it owns the bucket with the images, and nothing else.  Each part has an access
 * key of its own, made at the first start and written for the operator to hand on. */
#include "cloud-controller/cloud.h"

#define SYSTEM_ACCOUNT      "mallee-system"
#define SYSTEM_IMAGE_SERVICE "image-service"
#define SYSTEM_NODE          "node"

/* Makes the account and its keys where they lack. */
struct error *system_seed(struct cloud *c, struct db_tx *tx) _must_check_;
/* Writes the files anew, from the database. */
struct error *system_credentials_write(struct cloud *c) _must_check_;
#endif
