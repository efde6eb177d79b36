/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_S3_MEMORY_H
#define TESTS_LIB_S3_MEMORY_H
/* An object store in memory, for tests: PUT with If-None-Match, GET with Range and If-Match, HEAD, DELETE, ListObjectsV2
 * with the delimiter "/", path-style; of metadata "x-amz-meta-edition" is kept.  It checks no
 * signature, but wants one, in a header or in the query.  A test may look at its objects while no call is on its way. */
#include <time.h>
#include "common/base/array.h"
#include "common/http-server/http-server.h"

struct s3_object {
    char *path; /* "/bucket/key" as it was sent */
    char *data;
    size_t len;
    char *edition;
    time_t changed;
    unsigned gets;
};

struct s3_memory {
    struct http_server *http;
    char *url;
    ARRAY(struct s3_object) objects;
    unsigned page;       /* keys of a listing's page */
    unsigned lists;      /* pages that were asked for */
    bool refuse;         /* answers 503 whatever it is asked */
    int fail_gets_after; /* answers 503 once it reaches 0; negative: never */
};

void s3_memory_start(struct s3_memory *s);
void s3_memory_stop(struct s3_memory *s);
struct s3_object *s3_memory_find(struct s3_memory *s, const char *path);
void s3_memory_put(struct s3_memory *s, const char *path, const void *data, size_t len);
#endif
