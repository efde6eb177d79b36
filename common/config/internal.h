/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CONFIG_INTERNAL_H
#define COMMON_CONFIG_INTERNAL_H
/* Between the files of common/config only. */
#include "common/config/config.h"

/* Parses `text` into the member of `k`, whose former value is freed. */
struct error *config_set(const struct config_key *k, void *config, const char *text) _must_check_;
bool config_is_set(const struct config_key *k, const void *config);
void config_help(const struct config_program *p, struct str *out);
void config_man(const struct config_program *p, struct str *out);
#endif
