/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_RESTORE_H
#define CLI_RESTORE_H
/* `mallee restore FOLDER`: has the daemons' programs make their state of a backup, on their own machine, before they run.
 *
 * The programs are looked for beside `mallee`, then in ../sbin.  Each refuses where there is a database already. */
#include "common/base/str.h"

struct restore_options {
    const char *folder;
    const char *cloud_config, *store_config; /* of the two daemons; NULL: that one is left alone, but not both */
};

/* What they said goes to `out`. ERROR_DENIED: one of them refused. */
struct error *restore_all(const struct restore_options *o, struct str *out) _must_check_;
#endif
