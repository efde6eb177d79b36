/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_CRYPTO_SSH_KEY_H
#define COMMON_CRYPTO_SSH_KEY_H
/* SSH key pairs as EC2 knows them: RSA and Ed25519.
 *
 * A public key is kept as OpenSSH's line without a comment, made anew from the key itself, so that nothing else of what a
 * user sent is kept.  Its fingerprint is the one that EC2 tells, which differs with where the key came from: RSA made here: SHA-1
 * of the private key's PKCS#8 DER; RSA brought along: MD5 of its SubjectPublicKeyInfo DER; Ed25519: SHA-256 of OpenSSH's blob in base64
 * with padding.  A private key is only in ret_private, which the caller wipes. */
#include <stddef.h>
#include "common/base/error.h"

enum ssh_key_type {
    SSH_KEY_RSA, /* 2048 bits where made here */
    SSH_KEY_ED25519,
};

struct ssh_public {
    enum ssh_key_type type;
    char *line; /* "ssh-ed25519 AAAA…" */
    char *fingerprint;
};

/* The longest text or DER of a public key that is read, as EC2 has it. */
#define SSH_PUBLIC_MAX 2048

void ssh_public_free(struct ssh_public *k);
/* "rsa", "ed25519" */
const char *ssh_key_type_name(enum ssh_key_type type);
/* Makes a pair.  The private key's text is PEM: PKCS#1 for RSA, OpenSSH's own format for Ed25519. */
void ssh_key_make(enum ssh_key_type type, struct ssh_public *ret, char **ret_private);
/* Reads a public key: OpenSSH's line, RFC 4716, or a SubjectPublicKeyInfo as PEM, DER or DER in base64.  ERROR_INVALID. */
struct error *ssh_key_read(const void *data, size_t len, struct ssh_public *ret) _must_check_;
#endif
