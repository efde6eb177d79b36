/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <strings.h>
#include "common/base/clock.h"
#include "common/base/id.h"
#include "common/crc/crc.h"
#include "common/crypto/base64.h"
#include "common/json/json.h"
#include "common/xml/xml.h"
#include "object-store/call.h"
#include "object-store/copy-source.h"
#include "object-store/s3-error.h"

#define PARTS_MAX 10000
#define PART_MIN  (5 * 1024 * 1024)
#define XMLNS     " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static struct error *said(const struct error_code *code)
{
    return error_new_code(code, "%s", code->message);
}

/* What an upload is made with. */
struct making {
    struct call *call;
    char id[40];
    char *detail;
};

static struct error *make(struct db_tx *tx, void *arg)
{
    struct making *m = arg;
    struct bucket b;
    RETURN_IF_ERROR(call_bucket(m->call, tx, &b));
    return index_upload_make(tx, b.id, call_key(m->call), m->id, m->call->account.id, clock_wall_ms(), m->detail);
}

static struct error *take_algorithm(struct call *c, char **detail)
{
    const char *name = call_header(c, "x-amz-checksum-algorithm"), *type = call_header(c, "x-amz-checksum-type");
    enum checksum kind = name ? checksum_by_name(name) : CHECKSUM_NONE;
    if (name && !kind)
        return error_new(S3_INVALID_REQUEST, "Checksum algorithm provided is unsupported.");
    if (type && !name)
        return error_new(S3_INVALID_REQUEST, "The x-amz-checksum-type header can only be used with the "
                                             "x-amz-checksum-algorithm header.");
    if (!name)
        return NULL;
    if (!type)
        type = kind == CHECKSUM_CRC64NVME ? "FULL_OBJECT" : "COMPOSITE";
    if ((streq(type, "FULL_OBJECT") && !checksum_is_crc(kind)) ||
        (streq(type, "COMPOSITE") && kind == CHECKSUM_CRC64NVME))
        return error_new(S3_INVALID_REQUEST, "The %s checksum type cannot be used with the %s checksum algorithm.", type,
                         checksum_name(kind));
    detail_set_algorithm(detail, kind, type);
    return NULL;
}

static void making_free(struct making *m)
{
    free(m->detail);
}

struct error *op_create_upload(struct call *c)
{
    _cleanup_(making_free) struct making m = {.call = c};
    unsigned char raw[16];
    struct str xml = STR_INIT;
    enum checksum kind = CHECKSUM_NONE;
    _cleanup_free_ char *value = NULL;
    _cleanup_free_ char *type = NULL;
    random_bytes(raw, sizeof raw);
    _cleanup_free_ char *id = hex_encode(raw, sizeof raw);
    memcpy(m.id, id, strlen(id) + 1);
    RETURN_IF_ERROR(detail_of_request(c, &m.detail));
    RETURN_IF_ERROR(take_algorithm(c, &m.detail));
    RETURN_IF_ERROR(db_write_wait(c->store->db, DB_FORCED, make, &m));
    str_add(&xml, "<InitiateMultipartUploadResult" XMLNS ">");
    xml_element(&xml, "Bucket", c->bucket);
    add_key(&xml, "Key", c->key, c->key_len, false);
    xml_element(&xml, "UploadId", m.id);
    str_add(&xml, "</InitiateMultipartUploadResult>");
    call_answer_xml(c, 200, &xml);
    if (detail_checksum(m.detail, &kind, &value, &type)) {
        http_answer_set(c->answer, "x-amz-checksum-algorithm", checksum_name(kind));
        http_answer_set(c->answer, "x-amz-checksum-type", type);
    }
    return NULL;
}

/* A part on its way in. */
struct parting {
    struct call *call;
    struct received data;
    struct part part;
    char *sums; /* JSON: checksum name -> base64 */
};

static void parting_free(struct parting *p)
{
    received_free(&p->data);
    free(p->sums);
}

static struct error *put_part(struct db_tx *tx, void *arg)
{
    struct parting *p = arg;
    struct bucket b;
    struct upload u = {0};
    RETURN_IF_ERROR(call_bucket(p->call, tx, &b));
    struct error *e = index_upload(tx, b.id, call_key(p->call), call_param(p->call, "uploadId"), &u);
    if (!e)
        e = index_data_add(tx, &p->data, &p->part.data_id);
    if (!e)
        e = index_part_put(tx, u.id, &p->part);
    upload_free(&u);
    return e;
}

struct error *call_part_number(const struct call *c, int64_t *ret)
{
    const char *text = call_param(c, "partNumber");
    uint64_t n = 0;
    struct error *e = parse_u64(text ? text : "", PARTS_MAX, &n);
    if (e || !n) {
        error_free(e);
        return error_new(S3_INVALID_ARGUMENT, "Part number must be an integer between 1 and 10000, inclusive");
    }
    *ret = (int64_t)n;
    return NULL;
}

static struct error *store_part(struct parting *p, enum checksum kind)
{
    _cleanup_json_ json_t *sums = json_object();
    json_set_string(sums, checksum_name(CHECKSUM_CRC64NVME), p->data.crc64nvme);
    if (kind)
        json_set_string(sums, checksum_name(kind), p->data.checksum);
    p->sums = json_text(sums);
    p->part.size = p->data.size;
    memcpy(p->part.etag, p->data.md5, sizeof p->data.md5);
    p->part.modified = clock_wall_ms();
    p->part.checksum = p->sums;
    struct error *e = db_write_wait(p->call->store->db, DB_FORCED, put_part, p);
    bool gone = false;
    if (e && p->data.file)
        error_ignore(engine_remove(p->call->store->engine, p->data.file, &gone));
    return e;
}

struct error *op_upload_part(struct call *c)
{
    _cleanup_(parting_free) struct parting p = {.call = c};
    RETURN_IF_ERROR(call_part_number(c, &p.part.number));
    RETURN_IF_ERROR(body_finish(c, &p.data));
    RETURN_IF_ERROR(store_part(&p, c->checksum));
    _cleanup_free_ char *etag = xasprintf("\"%s\"", p.data.md5);
    call_answer(c, 200);
    http_answer_set(c->answer, "ETag", etag);
    if (c->checksum)
        http_answer_set(c->answer, checksum_header(c->checksum), p.data.checksum);
    return NULL;
}

/* UploadPartCopy: the bytes are read, checked and stored anew. */
struct source {
    struct call *call;
    struct copy_source source;
    struct object object;
    enum checksum kind; /* of the upload */
};

static void source_free(struct source *s)
{
    copy_source_free(&s->source);
    object_free(&s->object);
}

static struct error *read_source(struct db_tx *tx, void *arg)
{
    struct source *s = arg;
    struct bucket b;
    struct upload u = {0};
    _cleanup_free_ char *value = NULL;
    _cleanup_free_ char *type = NULL;
    RETURN_IF_ERROR(call_bucket(s->call, tx, &b));
    struct error *e = index_upload(tx, b.id, call_key(s->call), call_param(s->call, "uploadId"), &u);
    if (!e)
        detail_checksum(u.detail, &s->kind, &value, &type);
    upload_free(&u);
    return e ? e : copy_source_object(s->call, tx, &s->source, &s->object);
}

static struct error *take_copy_range(struct call *c, uint64_t size, uint64_t *ret_first, uint64_t *ret_len)
{
    const char *text = call_header(c, "x-amz-copy-source-range");
    *ret_first = 0;
    *ret_len = size;
    if (!text)
        return NULL;
    _cleanup_free_ char *own = xstrdup(text);
    char *dash = strchr(own, '-');
    uint64_t last = 0;
    if (!str_starts(own, "bytes=") || !dash)
        return error_new(S3_INVALID_ARGUMENT, "The x-amz-copy-source-range value must be of the form bytes=first-last");
    *dash = 0;
    struct error *e = parse_u64(own + 6, INT64_MAX, ret_first);
    if (!e)
        e = parse_u64(dash + 1, INT64_MAX, &last);
    if (e || last < *ret_first || last >= size) {
        error_free(e);
        return error_new(S3_INVALID_ARGUMENT, "Range specified is not valid for source object of size: %llu",
                         (unsigned long long)size);
    }
    *ret_len = last - *ret_first + 1;
    return NULL;
}

static struct error *pump(struct reading *from, struct receiver *to)
{
    _cleanup_free_ char *buffer = xmalloc(ENGINE_BLOCK);
    for (uint64_t at = 0; at < reading_len(from);) {
        ssize_t n = reading_read(from, at, buffer, ENGINE_BLOCK);
        if (n <= 0)
            return error_new(ERROR_INTERNAL, "the source of a copy cannot be read");
        receiver_take(to, buffer, (size_t)n);
        if (receiver_full(to))
            RETURN_IF_ERROR(receiver_flush(to));
        at += (uint64_t)n;
    }
    return NULL;
}

static struct error *copy_bytes(struct source *s, struct parting *p)
{
    uint64_t first = 0, len = 0;
    struct reading *r = NULL;
    RETURN_IF_ERROR(take_copy_range(s->call, s->object.size, &first, &len));
    RETURN_IF_ERROR(reading_new(s->call->store, &s->object, first, len, &r));
    _cleanup_(receiver_freep) struct receiver *to = receiver_new(s->call->store->engine, s->kind, false);
    struct error *e = pump(r, to);
    reading_free(r);
    if (!e)
        e = receiver_finish(to, &p->data);
    if (!e)
        e = receiver_keep(to, &p->data);
    return e;
}

struct error *op_copy_part(struct call *c)
{
    _cleanup_(parting_free) struct parting p = {.call = c};
    _cleanup_(source_free) struct source s = {.call = c};
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(call_part_number(c, &p.part.number));
    RETURN_IF_ERROR(copy_source_parse(c, &s.source));
    RETURN_IF_ERROR(db_read(c->store->db, read_source, &s));
    RETURN_IF_ERROR(conditions_copy(c, &s.object));
    RETURN_IF_ERROR(copy_bytes(&s, &p));
    RETURN_IF_ERROR(store_part(&p, s.kind));
    _cleanup_free_ char *modified = clock_iso8601(p.part.modified);
    str_add(&xml, "<CopyPartResult" XMLNS ">");
    xml_element(&xml, "LastModified", modified);
    str_printf(&xml, "<ETag>&quot;%s&quot;</ETag></CopyPartResult>", p.data.md5);
    call_answer_xml(c, 200, &xml);
    return NULL;
}

/* What CompleteMultipartUpload names, then what is there. */
struct named {
    int64_t number;
    char *etag;
};

struct completing {
    struct call *call;
    ARRAY(struct named) named;
    ARRAY(int64_t) numbers, data;
    struct digest *etags;
    struct checksum_state sums;
    enum checksum kind;
    char *type;      /* COMPOSITE or FULL_OBJECT */
    uint64_t crc;    /* joined so far */
    bool sums_known; /* every part had one */
    size_t at;
    uint64_t size;
    struct error *error;
    char etag[64];
    char *checksum;
};

static void completing_free(struct completing *p)
{
    array_each (&p->named, n)
        free(n->etag);
    array_free(&p->named);
    array_free(&p->numbers);
    array_free(&p->data);
    digest_free(p->etags);
    checksum_free(&p->sums);
    error_free(p->error);
    free(p->type);
    free(p->checksum);
}

static struct error *take_part(struct completing *p, const struct xml_node *part)
{
    struct named *n = array_add(&p->named);
    for (const struct xml_node *m = xml_child(part); m; m = xml_next(m)) {
        _cleanup_free_ char *text = xml_content(m);
        if (streq(xml_name(m), "PartNumber")) {
            uint64_t number = 0;
            RETURN_IF_ERROR(error_recode(parse_u64(text, PARTS_MAX, &number), &S3_MALFORMED_XML, "%s", S3_MALFORMED_XML.message));
            n->number = (int64_t)number;
        } else if (streq(xml_name(m), "ETag") && !n->etag) {
            const char *from = text + (text[0] == '"');
            n->etag = xstrndup(from, strcspn(from, "\""));
        }
    }
    if (!n->etag || n->number < 1)
        return said(&S3_MALFORMED_XML);
    if (p->named.len > 1 && n[-1].number >= n->number)
        return said(&S3_INVALID_PART_ORDER);
    return NULL;
}

static struct error *parse_parts(struct completing *p)
{
    size_t len = 0;
    const char *body = http_request_body(p->call->http, &len);
    _cleanup_(xml_freep) struct xml *x = NULL;
    RETURN_IF_ERROR(error_recode(xml_parse(body, len, &x), &S3_MALFORMED_XML, "%s", S3_MALFORMED_XML.message));
    for (const struct xml_node *n = xml_child(xml_root(x)); n; n = xml_next(n))
        if (streq(xml_name(n), "Part"))
            RETURN_IF_ERROR(take_part(p, n));
    return p->named.len && p->named.len <= PARTS_MAX ? NULL : said(&S3_MALFORMED_XML);
}

static void add_sum(struct completing *p, const struct part *part)
{
    json_t *sums = NULL;
    unsigned char *raw = NULL;
    size_t len = 0;
    uint64_t crc = 0;
    error_ignore(json_parse_object(part->checksum ? part->checksum : "{}", strlen(part->checksum ? part->checksum : "{}"),
                                   65536, &sums));
    const char *text = json_get_string(sums, checksum_name(p->kind), NULL);
    if (text)
        error_ignore(base64_decode(text, 64, &raw, &len));
    json_decref(sums);
    if (!raw || len != checksum_size(p->kind)) {
        p->sums_known = false;
        free(raw);
        return;
    }
    for (size_t i = 0; i < len && len <= 8; i++)
        crc = crc << 8 | raw[i];
    if (streq(p->type, "COMPOSITE"))
        checksum_add(&p->sums, raw, len);
    else
        p->crc = crc_join(p->kind == CHECKSUM_CRC32 ? CRC_32 : p->kind == CHECKSUM_CRC32C ? CRC_32C : CRC_64NVME, p->crc,
                          crc, part->size);
    free(raw);
}

/* Walks the stored parts along the named ones. */
static bool meet(void *arg, const struct part *part)
{
    struct completing *p = arg;
    unsigned char raw[MD5_SIZE];
    const struct named *n = &p->named.data[p->at];
    if (part->number < n->number)
        return true;
    struct error *e = hex_decode(part->etag, raw, sizeof raw);
    if (e || part->number != n->number || !streq(part->etag, n->etag)) {
        error_free(e);
        p->error = said(&S3_INVALID_PART);
        return false;
    }
    if (p->at + 1 < p->named.len && part->size < PART_MIN) {
        p->error = said(&S3_ENTITY_TOO_SMALL);
        return false;
    }
    digest_add(p->etags, raw, sizeof raw);
    add_sum(p, part);
    p->size += part->size;
    array_push(&p->numbers, part->number);
    array_push(&p->data, part->data_id);
    p->at++;
    return p->at < p->named.len;
}

static struct error *end_checksum(struct completing *p)
{
    if (!p->sums_known)
        return NULL;
    bool composite = streq(p->type, "COMPOSITE");
    p->sums.crc = composite ? p->sums.crc : p->crc;
    _cleanup_free_ char *sum = checksum_end(&p->sums);
    p->checksum = composite ? xasprintf("%s-%zu", sum, p->named.len) : xstrdup(sum);
    const char *expected = call_header(p->call, checksum_header(p->kind));
    if (expected && !composite && !streq(expected, p->checksum))
        return said(&S3_BAD_DIGEST);
    return NULL;
}

static struct error *gather(struct completing *p, struct db_tx *tx, const struct upload *u)
{
    _cleanup_free_ char *value = NULL;
    unsigned char raw[DIGEST_MAX];
    size_t len = 0;
    if (!detail_checksum(u->detail, &p->kind, &value, &p->type)) {
        p->kind = CHECKSUM_CRC64NVME;
        p->type = xstrdup("FULL_OBJECT");
    }
    p->sums_known = true;
    p->etags = digest_new(DIGEST_MD5);
    checksum_start(&p->sums, p->kind);
    RETURN_IF_ERROR(index_parts(tx, u->id, 0, meet, p));
    if (p->error)
        return TAKE_PTR(p->error);
    if (p->at < p->named.len)
        return said(&S3_INVALID_PART);
    digest_final(p->etags, raw, &len);
    _cleanup_free_ char *hex = hex_encode(raw, len);
    _cleanup_free_ char *etag = xasprintf("%s-%zu", hex, p->named.len);
    memcpy(p->etag, etag, strlen(etag) + 1);
    return end_checksum(p);
}

static struct error *check_write(struct completing *p, struct db_tx *tx, int64_t bucket)
{
    struct object o = {0};
    struct error *e = index_object(tx, bucket, call_key(p->call), false, &o);
    bool there = !e;
    if (e && !error_is(e, &S3_NO_KEY))
        return e;
    error_free(e);
    e = conditions_write(p->call, there ? &o : NULL);
    object_free(&o);
    return e;
}

static struct error *put_whole(struct completing *p, struct db_tx *tx, const struct upload *u)
{
    _cleanup_free_ char *detail = xstrdup(u->detail);
    RETURN_IF_ERROR(gather(p, tx, u));
    RETURN_IF_ERROR(check_write(p, tx, u->bucket));
    if (p->checksum)
        detail_set_checksum(&detail, p->kind, p->checksum, p->type);
    detail_set_parts(&detail, p->named.len, u->id);
    struct new_object o = {p->size, p->etag, detail, clock_wall_ms(), p->data.data, p->data.len};
    RETURN_IF_ERROR(index_object_put(tx, u->bucket, call_key(p->call), &o));
    return index_upload_remove(tx, u->id, p->numbers.data, p->numbers.len);
}

/* A completion whose answer got lost comes again: the upload is gone, the object that it made is there. */
static struct error *complete_again(struct completing *p, struct db_tx *tx, int64_t bucket, struct error *e)
{
    struct object o = {0};
    struct error *none = index_object(tx, bucket, call_key(p->call), false, &o);
    if (!none && detail_made_by(o.detail, call_param(p->call, "uploadId"))) {
        memcpy(p->etag, o.etag, sizeof p->etag);
        detail_checksum(o.detail, &p->kind, &p->checksum, &p->type);
        e = error_free(e);
    }
    error_free(none);
    object_free(&o);
    return e;
}

static struct error *complete(struct db_tx *tx, void *arg)
{
    struct completing *p = arg;
    struct bucket b;
    struct upload u = {0};
    RETURN_IF_ERROR(call_bucket(p->call, tx, &b));
    struct error *e = index_upload(tx, b.id, call_key(p->call), call_param(p->call, "uploadId"), &u);
    if (!e)
        e = put_whole(p, tx, &u);
    else if (error_is(e, &S3_NO_UPLOAD))
        e = complete_again(p, tx, b.id, e);
    upload_free(&u);
    return e;
}

struct error *op_complete_upload(struct call *c)
{
    _cleanup_(completing_free) struct completing p = {.call = c};
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(parse_parts(&p));
    RETURN_IF_ERROR(db_write_wait(c->store->db, DB_FORCED, complete, &p));
    str_add(&xml, "<CompleteMultipartUploadResult" XMLNS ">");
    xml_element(&xml, "Location", http_request_path(c->http));
    xml_element(&xml, "Bucket", c->bucket);
    add_key(&xml, "Key", c->key, c->key_len, false);
    str_printf(&xml, "<ETag>&quot;%s&quot;</ETag>", p.etag);
    if (p.checksum) {
        xml_element(&xml, checksum_element(p.kind), p.checksum);
        xml_element(&xml, "ChecksumType", p.type);
    }
    str_add(&xml, "</CompleteMultipartUploadResult>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}

static struct error *abort_upload(struct db_tx *tx, void *arg)
{
    struct call *c = arg;
    struct bucket b;
    struct upload u = {0};
    RETURN_IF_ERROR(call_bucket(c, tx, &b));
    struct error *e = index_upload(tx, b.id, call_key(c), call_param(c, "uploadId"), &u);
    if (!e)
        e = index_upload_remove(tx, u.id, NULL, 0);
    upload_free(&u);
    return e;
}

struct error *op_abort_upload(struct call *c)
{
    RETURN_IF_ERROR(db_write_wait(c->store->db, DB_FORCED | DB_RESCUE, abort_upload, c));
    call_answer(c, 204);
    return NULL;
}

/* ListParts and ListMultipartUploads: a page each. */
struct page {
    struct call *call;
    struct str xml;
    size_t max, count;
    bool truncated, encode;
    int64_t after, last;
    char last_id[40];
    char *last_key;
    size_t last_key_len;
};

static void page_free(struct page *p)
{
    str_free(&p->xml);
    free(p->last_key);
}

static bool page_full(struct page *p)
{
    p->truncated = p->count == p->max;
    p->count += !p->truncated;
    return p->truncated;
}

static bool add_part(void *arg, const struct part *part)
{
    struct page *p = arg;
    if (page_full(p))
        return false;
    _cleanup_free_ char *modified = clock_iso8601(part->modified);
    str_printf(&p->xml, "<Part><PartNumber>%lld</PartNumber>", (long long)part->number);
    xml_element(&p->xml, "LastModified", modified);
    str_printf(&p->xml, "<ETag>&quot;%s&quot;</ETag><Size>%llu</Size></Part>", part->etag,
               (unsigned long long)part->size);
    p->last = part->number;
    return true;
}

static struct error *read_parts(struct db_tx *tx, void *arg)
{
    struct page *p = arg;
    struct bucket b;
    struct upload u = {0};
    RETURN_IF_ERROR(call_bucket(p->call, tx, &b));
    struct error *e = index_upload(tx, b.id, call_key(p->call), call_param(p->call, "uploadId"), &u);
    if (!e)
        e = index_parts(tx, u.id, p->after, add_part, p);
    upload_free(&u);
    return e;
}

static struct error *take_max(struct call *c, const char *name, size_t *ret)
{
    const char *text = call_param(c, name);
    uint64_t n = 1000;
    if (text)
        RETURN_IF_ERROR(error_recode(parse_u64(text, INT32_MAX, &n), &S3_INVALID_ARGUMENT, "%s is not valid", name));
    *ret = n < 1000 ? (size_t)n : 1000;
    return NULL;
}

static void add_people(struct str *xml, const struct account *a)
{
    static const char *const roles[] = {"Initiator", "Owner"};
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
        str_printf(xml, "<%s>", roles[i]);
        xml_element(xml, "ID", a->canonical_id);
        xml_element(xml, "DisplayName", a->display_name);
        str_printf(xml, "</%s>", roles[i]);
    }
}

struct error *op_list_parts(struct call *c)
{
    _cleanup_(page_free) struct page p = {.call = c};
    struct str xml = STR_INIT;
    uint64_t after = 0;
    const char *marker = call_param(c, "part-number-marker");
    RETURN_IF_ERROR(take_max(c, "max-parts", &p.max));
    if (marker)
        RETURN_IF_ERROR(error_recode(parse_u64(marker, INT32_MAX, &after), &S3_INVALID_ARGUMENT, "part-number-marker is not valid"));
    p.after = (int64_t)after;
    p.last = p.after;
    RETURN_IF_ERROR(db_read(c->store->db, read_parts, &p));
    str_add(&xml, "<ListPartsResult" XMLNS ">");
    xml_element(&xml, "Bucket", c->bucket);
    add_key(&xml, "Key", c->key, c->key_len, false);
    xml_element(&xml, "UploadId", call_param(c, "uploadId"));
    str_printf(&xml, "<PartNumberMarker>%lld</PartNumberMarker><NextPartNumberMarker>%lld</NextPartNumberMarker>"
                     "<MaxParts>%zu</MaxParts><IsTruncated>%s</IsTruncated><StorageClass>STANDARD</StorageClass>",
               (long long)p.after, (long long)p.last, p.max, p.truncated ? "true" : "false");
    add_people(&xml, &c->account);
    str_add(&xml, str_text(&p.xml));
    str_add(&xml, "</ListPartsResult>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}

static bool add_upload(void *arg, const struct upload *u)
{
    struct page *p = arg;
    const char *prefix = call_param(p->call, "prefix");
    if (prefix && (u->key_len < strlen(prefix) || memcmp(u->key, prefix, strlen(prefix)) != 0))
        return true;
    if (page_full(p))
        return false;
    _cleanup_free_ char *started = clock_iso8601(u->started);
    str_add(&p->xml, "<Upload>");
    add_key(&p->xml, "Key", u->key, u->key_len, p->encode);
    xml_element(&p->xml, "UploadId", u->id);
    add_people(&p->xml, &p->call->account);
    str_add(&p->xml, "<StorageClass>STANDARD</StorageClass>");
    xml_element(&p->xml, "Initiated", started);
    str_add(&p->xml, "</Upload>");
    memcpy(p->last_id, u->id, sizeof p->last_id);
    free(p->last_key);
    p->last_key = xmemdup(u->key, u->key_len + 1);
    p->last_key_len = u->key_len;
    return true;
}

static struct error *read_uploads(struct db_tx *tx, void *arg)
{
    struct page *p = arg;
    struct bucket b;
    const char *key = call_param(p->call, "key-marker"), *id = call_param(p->call, "upload-id-marker");
    RETURN_IF_ERROR(call_bucket(p->call, tx, &b));
    /* A key marker without an upload's starts behind all uploads of that key. */
    return index_uploads(tx, b.id, (struct key){key ? key : "", strlen(key ? key : "")}, id ? id : key ? "~" : "", add_upload, p);
}

struct error *op_list_uploads(struct call *c)
{
    _cleanup_(page_free) struct page p = {.call = c};
    struct str xml = STR_INIT;
    const char *encoding = call_param(c, "encoding-type");
    p.encode = encoding && streq(encoding, "url");
    RETURN_IF_ERROR(take_max(c, "max-uploads", &p.max));
    RETURN_IF_ERROR(db_read(c->store->db, read_uploads, &p));
    str_add(&xml, "<ListMultipartUploadsResult" XMLNS ">");
    xml_element(&xml, "Bucket", c->bucket);
    xml_element(&xml, "KeyMarker", call_param(c, "key-marker") ? call_param(c, "key-marker") : "");
    xml_element(&xml, "UploadIdMarker", call_param(c, "upload-id-marker") ? call_param(c, "upload-id-marker") : "");
    if (p.truncated && p.last_key) {
        add_key(&xml, "NextKeyMarker", p.last_key, p.last_key_len, p.encode);
        xml_element(&xml, "NextUploadIdMarker", p.last_id);
    }
    str_printf(&xml, "<MaxUploads>%zu</MaxUploads><IsTruncated>%s</IsTruncated>", p.max, p.truncated ? "true" : "false");
    str_add(&xml, str_text(&p.xml));
    str_add(&xml, "</ListMultipartUploadsResult>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}
