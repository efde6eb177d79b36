/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <strings.h>
#include "api/uri.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/xml/xml.h"
#include "object-store/call.h"
#include "object-store/copy-source.h"
#include "object-store/s3-error.h"

#define AT_ONCE (1024 * 1024) /* answered from one buffer */

static struct error *said(const struct error_code *code)
{
    return error_new_code(code, "%s", code->message);
}

static void set_etag(struct http_answer *a, const char *etag)
{
    _cleanup_free_ char *quoted = xasprintf("\"%s\"", etag);
    http_answer_set(a, "ETag", quoted);
}

/* Fails as the request's conditions say; reads the object only where there are any. */
static struct error *check_write(struct call *c, struct db_tx *tx, int64_t bucket)
{
    struct object o = {0};
    if (!call_header(c, "if-match") && !call_header(c, "if-none-match"))
        return NULL;
    struct error *e = index_object(tx, bucket, call_key(c), false, &o);
    bool there = !e;
    if (e && !error_is(e, &S3_NO_KEY))
        return e;
    error_free(e);
    e = conditions_write(c, there ? &o : NULL);
    object_free(&o);
    return e;
}

struct putting {
    struct call *call;
    struct received data;
    char *detail;
    int64_t now;
};

static struct error *put(struct db_tx *tx, void *arg)
{
    struct putting *p = arg;
    struct bucket b;
    int64_t data = 0;
    RETURN_IF_ERROR(call_bucket(p->call, tx, &b));
    RETURN_IF_ERROR(check_write(p->call, tx, b.id));
    RETURN_IF_ERROR(index_data_add(tx, &p->data, &data));
    struct new_object o = {p->data.size, p->data.md5, p->detail, p->now, &data, 1};
    return index_object_put(tx, b.id, call_key(p->call), &o);
}

static void putting_free(struct putting *p)
{
    received_free(&p->data);
    free(p->detail);
}

struct error *op_put_object(struct call *c)
{
    _cleanup_(putting_free) struct putting p = {.call = c, .now = clock_wall_ms()};
    RETURN_IF_ERROR(detail_of_request(c, &p.detail));
    RETURN_IF_ERROR(body_finish(c, &p.data));
    enum checksum kind = c->checksum ? c->checksum : CHECKSUM_CRC64NVME;
    const char *sum = c->checksum ? p.data.checksum : p.data.crc64nvme;
    detail_set_checksum(&p.detail, kind, sum, "FULL_OBJECT");
    struct error *e = db_write_wait(c->store->db, DB_FORCED, put, &p);
    if (e) {
        bool gone = false;
        if (p.data.file && !error_is(e, &ERROR_TIMEOUT))
            error_ignore(engine_remove(c->store->engine, p.data.file, &gone));
        return e;
    }
    call_answer(c, 200);
    set_etag(c->answer, p.data.md5);
    http_answer_set(c->answer, checksum_header(kind), sum);
    http_answer_set(c->answer, "x-amz-checksum-type", "FULL_OBJECT");
    return NULL;
}

struct getting {
    struct call *call;
    struct object object;
};

static struct error *get(struct db_tx *tx, void *arg)
{
    struct getting *g = arg;
    struct bucket b;
    RETURN_IF_ERROR(call_bucket(g->call, tx, &b));
    bool whole = streq(http_request_method(g->call->http), "GET") || call_param(g->call, "partNumber");
    return index_object(tx, b.id, call_key(g->call), whole, &g->object);
}

enum range {
    RANGE_NONE,
    RANGE_OK,
    RANGE_BAD,
};

static bool number(const char *text, size_t len, uint64_t *ret)
{
    _cleanup_free_ char *own = xstrndup(text, len);
    _cleanup_error_ struct error *e = parse_u64(own, INT64_MAX, ret);
    return e == NULL;
}

/* One range; several, or what is not a range, are as none. */
static enum range parse_range(const char *text, uint64_t size, uint64_t *ret_first, uint64_t *ret_len)
{
    uint64_t first = 0, last = 0;
    if (!text || strncasecmp(text, "bytes=", 6) != 0 || strchr(text, ','))
        return RANGE_NONE;
    text += 6;
    const char *dash = strchr(text, '-');
    if (!dash)
        return RANGE_NONE;
    if (dash == text) {
        if (!number(dash + 1, strlen(dash + 1), &last))
            return RANGE_NONE;
        if (!last || !size)
            return RANGE_BAD;
        *ret_len = last < size ? last : size;
        *ret_first = size - *ret_len;
        return RANGE_OK;
    }
    if (!number(text, (size_t)(dash - text), &first))
        return RANGE_NONE;
    last = UINT64_MAX;
    if (dash[1] && (!number(dash + 1, strlen(dash + 1), &last) || last < first))
        return RANGE_NONE;
    if (first >= size)
        return RANGE_BAD;
    *ret_first = first;
    *ret_len = (last < size - 1 ? last : size - 1) - first + 1;
    return RANGE_OK;
}

static struct error *override_headers(struct call *c)
{
    static const char *const names[] = {"content-type", "content-language", "expires", "cache-control",
                                        "content-disposition", "content-encoding"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        _cleanup_free_ char *param = xasprintf("response-%s", names[i]);
        const char *value = call_param(c, param);
        if (value)
            RETURN_IF_ERROR(error_recode(http_answer_header(c->answer, names[i], value), &S3_INVALID_ARGUMENT,
                                         "%s is not valid", param));
    }
    return NULL;
}

static void answer_checksum(struct call *c, const char *detail)
{
    enum checksum kind = CHECKSUM_NONE;
    _cleanup_free_ char *value = NULL;
    _cleanup_free_ char *type = NULL;
    const char *mode = call_header(c, "x-amz-checksum-mode");
    if (!mode || strcasecmp(mode, "ENABLED") != 0 || !detail_checksum(detail, &kind, &value, &type) || !value)
        return;
    http_answer_set(c->answer, checksum_header(kind), value);
    http_answer_set(c->answer, "x-amz-checksum-type", type);
}

static void answer_head(struct call *c, const struct object *o, bool part)
{
    _cleanup_free_ char *modified = http_date(o->modified);
    detail_answer(o->detail, c->answer);
    set_etag(c->answer, o->etag);
    http_answer_set(c->answer, "Last-Modified", modified);
    http_answer_set(c->answer, "Accept-Ranges", "bytes");
    if (!part)
        answer_checksum(c, o->detail);
}

static struct error *answer_bytes(struct call *c, struct object *o, uint64_t first, uint64_t len)
{
    struct reading *r = NULL;
    RETURN_IF_ERROR(reading_new(c->store, o, first, len, &r));
    if (len > AT_ONCE) {
        http_answer_stream(c->answer, len, reading_read, reading_free, r);
        return NULL;
    }
    char *buffer = xmalloc((size_t)len + 1);
    bool ok = !len || reading_read(r, 0, buffer, (size_t)len) == (ssize_t)len;
    reading_free(r);
    if (!ok) {
        free(buffer);
        return error_new(ERROR_INTERNAL, "an object's bytes cannot be read");
    }
    http_answer_body(c->answer, buffer, (size_t)len);
    return NULL;
}

static void getting_free(struct getting *g)
{
    object_free(&g->object);
}

static struct error *range_refused(struct call *c, uint64_t size)
{
    struct str xml = STR_INIT;
    _cleanup_free_ char *all = xasprintf("bytes */%llu", (unsigned long long)size);
    str_printf(&xml, "<Error><Code>%s</Code><Message>%s</Message><ActualObjectSize>%llu</ActualObjectSize></Error>",
               S3_INVALID_RANGE.wire, S3_INVALID_RANGE.message, (unsigned long long)size);
    call_answer_xml(c, 416, &xml);
    http_answer_set(c->answer, "Content-Range", all);
    return NULL;
}

/* The number of the part that is asked for; 0: none is. */
static struct error *take_part_number(const struct call *c, int64_t *ret)
{
    if (!call_param(c, "partNumber"))
        return NULL;
    if (call_header(c, "range"))
        return error_new(S3_INVALID_REQUEST, "Cannot specify both Range header and partNumber query parameter");
    return call_part_number(c, ret);
}

/* An object that was put whole is its own first part. */
static struct error *find_part(const struct object *o, size_t number, uint64_t *ret_first, uint64_t *ret_len)
{
    size_t parts = detail_parts(o->detail);
    if (number > (parts ? parts : 1) || (parts && number > o->segments.len))
        return said(&S3_INVALID_PART_NUMBER);
    for (size_t i = 0; parts && i + 1 < number; i++)
        *ret_first += o->segments.data[i].size;
    *ret_len = parts ? o->segments.data[number - 1].size : o->size;
    return NULL;
}

static enum range take_range(const struct call *c, const struct object *o, uint64_t *ret_first, uint64_t *ret_len)
{
    const char *if_range = call_header(c, "if-range");
    bool use = !if_range || strstr(if_range, o->etag);
    enum range range = parse_range(use ? call_header(c, "range") : NULL, o->size, ret_first, ret_len);
    if (range == RANGE_NONE)
        *ret_len = o->size;
    return range;
}

static void answer_parts_count(struct call *c, const struct object *o)
{
    size_t parts = detail_parts(o->detail);
    _cleanup_free_ char *text = xasprintf("%zu", parts);
    if (parts)
        http_answer_set(c->answer, "x-amz-mp-parts-count", text);
}

struct error *op_get_object(struct call *c)
{
    _cleanup_(getting_free) struct getting g = {.call = c};
    uint64_t first = 0, len = 0;
    int64_t part = 0;
    RETURN_IF_ERROR(take_part_number(c, &part));
    RETURN_IF_ERROR(db_read(c->store->db, get, &g));
    RETURN_IF_ERROR(conditions_read(c, &g.object));
    uint64_t size = g.object.size;
    if (part)
        RETURN_IF_ERROR(find_part(&g.object, (size_t)part, &first, &len));
    /* A part without bytes has no range to tell. */
    enum range range = part ? len ? RANGE_OK : RANGE_NONE : take_range(c, &g.object, &first, &len);
    if (range == RANGE_BAD)
        return range_refused(c, size);
    call_answer(c, range == RANGE_OK ? 206 : 200);
    RETURN_IF_ERROR(override_headers(c));
    answer_head(c, &g.object, range == RANGE_OK);
    if (part)
        answer_parts_count(c, &g.object);
    if (range == RANGE_OK) {
        _cleanup_free_ char *text = xasprintf("bytes %llu-%llu/%llu", (unsigned long long)first,
                                              (unsigned long long)(first + len - 1), (unsigned long long)size);
        http_answer_set(c->answer, "Content-Range", text);
    }
    if (streq(http_request_method(c->http), "HEAD")) {
        http_answer_stream(c->answer, len, NULL, NULL, NULL);
        return NULL;
    }
    return answer_bytes(c, &g.object, first, len);
}

static struct error *delete_one(struct db_tx *tx, void *arg)
{
    struct call *c = arg;
    struct bucket b;
    RETURN_IF_ERROR(call_bucket(c, tx, &b));
    if (call_header(c, "if-match"))
        RETURN_IF_ERROR(check_write(c, tx, b.id));
    return index_object_remove(tx, b.id, call_key(c));
}

struct error *op_delete_object(struct call *c)
{
    RETURN_IF_ERROR(db_write_wait(c->store->db, DB_FORCED | DB_RESCUE, delete_one, c));
    call_answer(c, 204);
    return NULL;
}

/* CopyObject: the new object shares the bytes. */
struct copying {
    struct call *call;
    struct copy_source source;
    bool replace;
    char *detail; /* of the request */
    char etag[64];
    int64_t now;
};

static struct error *merge_detail(struct copying *p, const struct object *o, char **ret)
{
    enum checksum kind = CHECKSUM_NONE;
    _cleanup_free_ char *value = NULL;
    _cleanup_free_ char *type = NULL;
    if (!p->replace) {
        *ret = xstrdup(o->detail);
        return NULL;
    }
    *ret = xstrdup(p->detail);
    if (detail_checksum(o->detail, &kind, &value, &type) && value)
        detail_set_checksum(ret, kind, value, type);
    return NULL;
}

static struct error *put_copy(struct copying *p, struct db_tx *tx, int64_t bucket, const struct object *o)
{
    ARRAY(int64_t) data = {0};
    _cleanup_free_ char *detail = NULL;
    struct error *e = merge_detail(p, o, &detail);
    array_each (&o->segments, s) {
        if (!e)
            e = index_data_share(tx, s->data_id);
        array_push(&data, s->data_id);
    }
    struct new_object n = {o->size, o->etag, detail, p->now, data.data, data.len};
    if (!e)
        e = index_object_put(tx, bucket, call_key(p->call), &n);
    array_free(&data);
    return e;
}

static struct error *copy(struct db_tx *tx, void *arg)
{
    struct copying *p = arg;
    struct bucket to;
    struct object o = {0};
    RETURN_IF_ERROR(call_bucket(p->call, tx, &to));
    struct error *e = copy_source_object(p->call, tx, &p->source, &o);
    if (!e)
        e = conditions_copy(p->call, &o);
    if (!e)
        e = check_write(p->call, tx, to.id);
    if (!e)
        e = put_copy(p, tx, to.id, &o);
    if (!e)
        memcpy(p->etag, o.etag, sizeof p->etag);
    object_free(&o);
    return e;
}

static void copying_free(struct copying *p)
{
    copy_source_free(&p->source);
    free(p->detail);
}

struct error *op_copy_object(struct call *c)
{
    _cleanup_(copying_free) struct copying p = {.call = c, .now = clock_wall_ms()};
    const char *directive = call_header(c, "x-amz-metadata-directive");
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(copy_source_parse(c, &p.source));
    if (directive && !streq(directive, "COPY") && !streq(directive, "REPLACE"))
        return error_new(S3_INVALID_ARGUMENT, "Unknown metadata directive.");
    p.replace = directive && streq(directive, "REPLACE");
    if (!p.replace && streq(p.source.bucket, c->bucket) && p.source.key_len == c->key_len &&
        !memcmp(p.source.key, c->key, c->key_len))
        return error_new(S3_INVALID_REQUEST, "This copy request is illegal because it is trying to copy an object to "
                                             "itself without changing the object's metadata.");
    RETURN_IF_ERROR(detail_of_request(c, &p.detail));
    RETURN_IF_ERROR(db_write_wait(c->store->db, DB_FORCED, copy, &p));
    _cleanup_free_ char *modified = clock_iso8601(p.now);
    str_add(&xml, "<CopyObjectResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    xml_element(&xml, "LastModified", modified);
    str_printf(&xml, "<ETag>&quot;%s&quot;</ETag></CopyObjectResult>", p.etag);
    call_answer_xml(c, 200, &xml);
    return NULL;
}

/* DeleteObjects. */
struct deleting {
    struct call *call;
    ARRAY(char *) keys;
    bool quiet;
};

static void deleting_free(struct deleting *d)
{
    array_each (&d->keys, k)
        free(*k);
    array_free(&d->keys);
}

static struct error *take_object(struct deleting *d, const struct xml_node *object)
{
    for (const struct xml_node *n = xml_child(object); n; n = xml_next(n)) {
        if (!streq(xml_name(n), "Key"))
            continue;
        char *key = xml_content(n);
        array_push(&d->keys, key);
        if (!*key || strlen(key) > 1024)
            return said(&S3_MALFORMED_XML);
        return NULL;
    }
    return said(&S3_MALFORMED_XML);
}

static struct error *parse_delete(struct call *c, struct deleting *d)
{
    size_t len = 0;
    const char *body = http_request_body(c->http, &len);
    _cleanup_(xml_freep) struct xml *x = NULL;
    RETURN_IF_ERROR(error_recode(xml_parse(body, len, &x), &S3_MALFORMED_XML, "%s", S3_MALFORMED_XML.message));
    for (const struct xml_node *n = xml_child(xml_root(x)); n; n = xml_next(n)) {
        if (streq(xml_name(n), "Object")) {
            RETURN_IF_ERROR(take_object(d, n));
        } else if (streq(xml_name(n), "Quiet")) {
            _cleanup_free_ char *text = xml_content(n);
            d->quiet = streq(text, "true");
        }
    }
    return d->keys.len && d->keys.len <= 1000 ? NULL : said(&S3_MALFORMED_XML);
}

static struct error *delete_many(struct db_tx *tx, void *arg)
{
    struct deleting *d = arg;
    struct bucket b;
    RETURN_IF_ERROR(call_bucket(d->call, tx, &b));
    array_each (&d->keys, k)
        RETURN_IF_ERROR(index_object_remove(tx, b.id, (struct key){*k, strlen(*k)}));
    return NULL;
}

struct error *op_delete_objects(struct call *c)
{
    _cleanup_(deleting_free) struct deleting d = {.call = c};
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(kept_body_digests(c));
    RETURN_IF_ERROR(parse_delete(c, &d));
    RETURN_IF_ERROR(db_write_wait(c->store->db, DB_FORCED | DB_RESCUE, delete_many, &d));
    str_add(&xml, "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    array_each (&d.keys, k) {
        if (d.quiet)
            continue;
        str_add(&xml, "<Deleted>");
        xml_element(&xml, "Key", *k);
        str_add(&xml, "</Deleted>");
    }
    str_add(&xml, "</DeleteResult>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}
