/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HELP_H
#define CLI_HELP_H
/* What `mallee` can be told, for --help and for the manual page, from the same tables. */
#include "common/base/str.h"

void help_add(struct str *out);
void help_add_manual(struct str *out);
#endif
