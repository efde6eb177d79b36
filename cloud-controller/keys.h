/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_KEYS_H
#define CLOUD_CONTROLLER_KEYS_H
/* The cloud key, and the access keys whose secrets it seals.  The key lies in state-dir/cloud.key, mode 0600, made at
 * the first start; without it the database's secrets cannot be read.  Read-only after keys_open(); any thread. */
#include "cloud-controller/store/store.h"

#define SECRET_LENGTH 40
#define KEYS_SIZE     32

struct keys;

struct error *keys_open(const char *state_dir, struct keys **ret) _must_check_;
void keys_free(struct keys *k);
/* A copy of the cloud key, for a backup; to be wiped after use. */
void keys_copy(const struct keys *k, unsigned char ret[KEYS_SIZE]);
/* And the way back, before the daemon runs. */
struct error *keys_of_copy(const void *key, size_t len, struct keys **ret) _must_check_;
/* Writes the file where there is none.  ERROR_EXISTS where another key is there: what it sealed could never be read
 * again. */
struct error *keys_restore(const struct keys *k, const char *state_dir) _must_check_;

struct new_key {
    char id[21];                      /* "AKIA…" */
    char secret[SECRET_LENGTH + 1];
    struct store_key row;
};
/* A fresh access key of the account, its secret sealed into `row`.  Wipe it after use. */
void keys_make(const struct keys *k, const struct id *account, struct new_key *ret);
/* The secret of a stored row; ERROR_DENIED where it was sealed otherwise. */
struct error *keys_secret(const struct keys *k, const char *id, const struct store_key *row,
                          char ret[SECRET_LENGTH + 1]) _must_check_;
/* A fresh key of an image, sealed into its row; and that key again, 32 bytes, to be wiped after use. */
void keys_image_make(const struct keys *k, struct store_image *ret);
struct error *keys_image_open(const struct keys *k, const struct store_image *i, unsigned char ret[32]) _must_check_;
/* HMAC-SHA-256 under the cloud key, for tokens that come back to us. */
void keys_mac(const struct keys *k, const char *text, unsigned char ret[32]);
/* A new account's ids. */
struct id keys_account_id(void);
char *keys_canonical_id(void);
#endif
