/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_BACKUP_H
#define CLOUD_CONTROLLER_BACKUP_H
/* Copies of the database with the cloud key in them (common/db/copy.h), and the daemon's start from one.
 *
 * A copy lies in state-dir/backups/ID.db from CreateBackup to DeleteBackup; one that nobody deleted goes an hour later.
 * The actions are cloud-controller/admin/backup.c's. */
#include "cloud-controller/cloud.h"

#define BACKUP_OF "the Cloud Controller"

/* The file of an id from outside; NULL where no backup can have it. */
char *backup_path(const struct cloud_config *c, const char *id);
/* Removes what is older than an hour; returns how many copies are left. */
unsigned backup_sweep(const struct cloud_config *c);
/* --restore: key, administrator's credentials and database; an era above the backup's. */
struct error *backup_restore(const void *config, const char *file) _must_check_;
#endif
