/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_IDENTITY_H
#define CLOUD_CONTROLLER_IDENTITY_H
/* The object store's copy of accounts and keys: a file of JSON lines, replaced whole at every change of an account
 * and at the start.  Readable by its owner and group only (the store's), since it holds secrets. */
#include "cloud-controller/cloud.h"

/* Writes the file as the database is now; nothing where none is configured.  Any thread. */
struct error *identity_write(struct cloud *c) _must_check_;
#endif
