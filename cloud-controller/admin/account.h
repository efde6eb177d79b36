/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_ADMIN_ACCOUNT_H
#define CLOUD_CONTROLLER_ADMIN_ACCOUNT_H
/* Making an account, for the API and for the first start. */
#include "cloud-controller/keys.h"

/* The account, its first access key, its default network.  ERROR_EXISTS where the name is taken. */
struct error *account_make(struct db_tx *tx, const struct keys *keys, const struct store_account *account,
                           const struct new_key *key, int64_t now) _must_check_;
#endif
