/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_ADMINISTRATOR_H
#define CLOUD_CONTROLLER_ADMINISTRATOR_H
/* The administrator's keys as the operator gets them: `admin-credentials-file`, mode 0600, written when the account is
 * made and when it comes back from a backup.  The daemon never reads it. */
#include "cloud-controller/cloud.h"

struct error *administrator_write(const struct cloud_config *c, const char *id, const char *secret) _must_check_;
/* The same with what the database holds; nothing where every administrator's key is disabled. */
struct error *administrator_write_again(const struct cloud_config *c, const struct keys *k, struct db_tx *tx) _must_check_;
#endif
