/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_IDENTITY_H
#define OBJECT_STORE_IDENTITY_H
/* Who may speak to the store: a copy of accounts and keys.
 *
 * It is read from a file of JSON lines {"access_key_id", "secret_access_key", "account_id", "canonical_id",
 * "display_name", "administrator"}, the last false where it lacks, and, for a key of one of the cloud's own parts,
 * "role" (role.h); again whenever the file changed; a file that cannot be read or has a bad line changes nothing; before
 * there is one nobody is known.  A new key counts at once, one that is no longer there is dead within a second.  Any
 * thread. */
#include <stdbool.h>
#include "api/sigv4.h"
#include "common/base/error.h"
#include "object-store/role.h"

struct identity;

struct account {
    char id[40], canonical_id[72], display_name[72];
    bool administrator;
    enum role role; /* of the key that it was found by */
};

struct error *identity_open(const char *file, struct identity **ret) _must_check_;
void identity_close(struct identity *i);
DEFINE_CLEANUP(struct identity *, identity_close)
/* False: no such key. */
bool identity_find(struct identity *i, const char *access_key_id,
                   char ret_secret[SIGV4_SECRET_MAX + 1], struct account *ret_account);
#endif
