/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CREDENTIALS_H
#define API_CREDENTIALS_H
/* A file with one pair of keys: lines "access_key_id = …" and "secret_access_key = …", others are comments. */
#include "common/base/error.h"

struct credentials {
    char *access_key_id, *secret;
};

struct error *credentials_read(const char *path, struct credentials *ret) _must_check_;
/* Wipes the secret. */
void credentials_free(struct credentials *c);
#endif
