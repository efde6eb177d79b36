/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_BACKUP_H
#define CLI_BACKUP_H
/* `mallee backup FOLDER`: cloud.db, the Cloud Controller's database with the cloud key in it, and store.db, the object
 * store's index, as the running daemons give them to the administrator.
 *
 * The folder is made, or is empty; its mode is 0700, the files' 0600.  They have their names only when both are whole and
 * on stable storage.  The cloud comes first: what it names, the store has.  The progress goes to stderr. */
#include "cli/admin.h"

struct backup_result {
    uint64_t cloud_bytes, store_bytes;
};

/* The store is at AWS_ENDPOINT_URL_S3. */
struct error *backup_make(const struct admin *admin, const char *folder, struct backup_result *ret) _must_check_;
/* What to do with it, for people. */
void backup_tell(struct str *out, const char *folder, const struct backup_result *r);
#endif
