/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_METADATA_METADATA_H
#define NODE_CONTROLLER_METADATA_METADATA_H
/* The instance metadata service, IMDSv1 and v2, at 169.254.169.254 in each VPC's namespace.
 *
 * Who asks is known by the listener (the VPC) and the source address, which the rules of the tap make trustworthy; what
 * is answered comes from the instance's body only, so it works while every controller is down.  One server with one
 * thread serves all VPCs.
 *
 * Version 2: PUT /latest/api/token with a lifetime gives a token, which later requests carry.  Tokens are stateless: an
 * expiry and a MAC over it and the instance, so they outlive the daemon but never serve another instance.  A token that
 * is wrong is refused even where tokens are optional.  The answer that carries a token has the instance's hop limit as
 * its IP time to live. */
#include "common/base/error.h"
#include "common/base/id.h"
#include "common/json/json.h"

#define METADATA_SECRET_SIZE 32

/* ---- one request, one answer: no socket, no clock ---- */

struct metadata_ask {
    const char *method, *path; /* the path as it was sent, without '?' and what follows */
    const char *token, *ttl;   /* headers X-aws-ec2-metadata-token and …-token-ttl-seconds; NULL: not there */
    bool forwarded;            /* there is an X-Forwarded-For */
};

struct metadata_answer {
    int status;
    const char *type;  /* Content-Type */
    const char *allow; /* with 405 */
    char *body;
    size_t len;
    unsigned token_ttl; /* not 0: the answer is a token of so many seconds */
    unsigned hops;      /* IP time to live; 0: as usual */
};

void metadata_answer_free(struct metadata_answer *a);

/* `instance` is NULL where nobody of that address is known.  `now_ms` is wall time. */
void metadata_answer(const unsigned char secret[METADATA_SECRET_SIZE], const struct id *instance, const json_t *body,
                     const struct metadata_ask *ask, int64_t now_ms, struct metadata_answer *ret);

/* ---- the server ---- */

struct metadata_options {
    unsigned char secret[METADATA_SECRET_SIZE]; /* the node's, the same after a restart */
    void *arg;
    /* Who has the address in the VPC: its id and its body as text, allocated; NULL: nobody.  Called on the server's
     * thread; must not block on disk or network. */
    char *(*lookup)(void *arg, const struct id *vpc, const char *address, struct id *ret_instance);
};

struct metadata;

struct error *metadata_open(const struct metadata_options *o, struct metadata **ret) _must_check_;
/* Closes all listeners.  Accepts NULL. */
void metadata_close(struct metadata *m);
DEFINE_CLEANUP(struct metadata *, metadata_close)
/* Serves the VPC at `listen_fd`, which is taken also on failure; a former listener of the VPC goes.  Any thread. */
struct error *metadata_add(struct metadata *m, const struct id *vpc, int listen_fd) _must_check_;
void metadata_drop(struct metadata *m, const struct id *vpc);
#endif
