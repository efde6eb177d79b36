/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OBJECT_STORE_CALL_H
#define OBJECT_STORE_CALL_H
/* One S3 request from its head to its answer.
 *
 * A struct call is made when the head is read (HTTP thread): target taken apart, operation found, signature checked.
 * Then either its body streams into the receiver, or it is kept, and the operation runs on a worker.  The operation
 * sets `answer` or returns an error.  It is freed when the HTTP server is done with the request. */
#include "api/params.h"
#include "api/sigv4.h"
#include "object-store/chunked.h"
#include "object-store/index.h"
#include "object-store/receiver.h"
#include "object-store/store.h"

struct call;

enum body_kind {
    BODY_NONE,
    BODY_XML,    /* kept, at most 2 MiB */
    BODY_STREAM, /* an object's bytes */
};

struct operation {
    const char *name;
    const char *method;
    int level;             /* 0: service, 1: bucket, 2: object */
    const char *subresource; /* query parameter that chooses it; NULL: none of them */
    const char *second;    /* a second one that must be there, or header when it begins with "x-" */
    enum body_kind body;
    struct error *(*run)(struct call *c);
};

struct call {
    struct store *store;
    struct http_request *http;
    const struct operation *op;
    char id[17];
    char *bucket;
    char *key;
    size_t key_len;
    struct params params;
    struct account account;
    struct sigv4_result sig;
    const char *payload; /* x-amz-content-sha256, or what stands for it */
    struct receiver *receiver;
    struct chunked *chunked;
    enum checksum checksum;        /* chosen by the client for its body */
    const char *checksum_expected; /* from a header; a trailer's comes later */
    bool checksum_trailer;
    bool failed;                   /* an error was answered while the body came */
    bool guest;                    /* it came in where instances call */
    struct http_answer *answer;
};

/* http.c */
extern const struct http_handler store_http_handler;
extern const struct http_handler store_guest_handler; /* without /healthz and /metrics */
const char *call_header(const struct call *c, const char *name);
const char *call_param(const struct call *c, const char *name);
struct key call_key(const struct call *c);
/* Answers; each sets c->answer. */
void call_answer(struct call *c, int status);
void call_answer_xml(struct call *c, int status, struct str *take);

/* auth.c */
struct error *call_authenticate(struct call *c) _must_check_;

/* operations.c */
const struct operation *operation_find(const struct call *c, struct error **ret_error);

/* body.c: headers of a streamed body; the receiver and decoder that fit; the end. */
struct error *body_begin(struct call *c) _must_check_;
struct error *body_take(struct call *c, const void *data, size_t len) _must_check_;
/* Digests compared, bytes durable. */
struct error *body_finish(struct call *c, struct received *ret) _must_check_;
/* The same for a body that was kept: it is what was signed, and fits Content-MD5 and x-amz-checksum-*. */
struct error *body_check_kept(struct call *c) _must_check_;

/* multipart.c: `partNumber` of the query, 1 to 10000; S3_INVALID_ARGUMENT also where it lacks. */
struct error *call_part_number(const struct call *c, int64_t *ret) _must_check_;

/* detail.c: what is kept of an object beside its bytes, as JSON. */
/* From the request's headers. */
struct error *detail_of_request(struct call *c, char **ret) _must_check_;
/* Adds "checksum" {name, value, type} to a detail, which is replaced. */
void detail_set_checksum(char **detail, enum checksum kind, const char *value, const char *type);
bool detail_checksum(const char *detail, enum checksum *ret_kind, char **ret_value, char **ret_type);
void detail_set_algorithm(char **detail, enum checksum kind, const char *type);
/* Of an object made of parts: how many, and by which upload, so that a repeated completion gets the same answer. */
void detail_set_parts(char **detail, size_t parts, const char *upload);
size_t detail_parts(const char *detail);
bool detail_made_by(const char *detail, const char *upload);
/* The kept headers into the answer. */
void detail_answer(const char *detail, struct http_answer *a);

/* conditions.c: If-Match and friends against what is there (NULL: nothing). */
struct error *conditions_read(const struct call *c, const struct object *o) _must_check_;
struct error *conditions_write(const struct call *c, const struct object *o) _must_check_;
struct error *conditions_copy(const struct call *c, const struct object *o) _must_check_;

/* reading.c: bytes of an object, checked block by block. */
struct reading;
/* Takes the object's segments. */
struct error *reading_new(struct store *s, struct object *take, uint64_t first, uint64_t len,
                          struct reading **ret) _must_check_;
void reading_free(void *reading);
ssize_t reading_read(void *reading, uint64_t at, char *to, size_t max);
uint64_t reading_len(const struct reading *r);

/* The bucket, if it is the caller's. */
struct error *call_bucket(struct call *c, struct db_tx *tx, struct bucket *ret) _must_check_;

/* Times: RFC 1123 for headers, ISO 8601 for XML. */
char *http_date(int64_t ms);
bool http_date_parse(const char *text, int64_t *ret_ms);
/* A key or prefix in XML, percent-encoded where encoding-type=url asks. */
void add_key(struct str *out, const char *element, const char *key, size_t len, bool encode);

/* The operations. */
struct error *op_get_index_copy(struct call *c); /* backup.c */
struct error *op_list_buckets(struct call *c);
struct error *op_create_bucket(struct call *c);
struct error *op_head_bucket(struct call *c);
struct error *op_delete_bucket(struct call *c);
struct error *op_get_location(struct call *c);
struct error *op_get_versioning(struct call *c);
struct error *op_get_acl(struct call *c);
struct error *op_get_absent(struct call *c);
struct error *op_get_tagging(struct call *c);
struct error *op_list(struct call *c);
struct error *op_list_uploads(struct call *c);
struct error *op_delete_objects(struct call *c);
struct error *op_put_object(struct call *c);
struct error *op_copy_object(struct call *c);
struct error *op_get_object(struct call *c);
struct error *op_get_attributes(struct call *c); /* attributes.c */
struct error *op_delete_object(struct call *c);
struct error *op_create_upload(struct call *c);
struct error *op_upload_part(struct call *c);
struct error *op_copy_part(struct call *c);
struct error *op_complete_upload(struct call *c);
struct error *op_abort_upload(struct call *c);
struct error *op_list_parts(struct call *c);
#endif
