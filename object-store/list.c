/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/clock.h"
#include "common/crypto/base64.h"
#include "common/xml/xml.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

#define PAGE 1000

/* A page of a bucket's keys.  With a delimiter each group of keys is one line, found by a seek behind it, not by
 * walking through it. */
struct listing {
    struct call *call;
    bool v2, encode, owner;
    const char *prefix, *delimiter;
    char *after; /* keys and groups up to this are left out */
    size_t after_len, max, count;
    bool truncated;
    struct str xml, groups;
    char *last; /* key or group that was listed last */
    size_t last_len;
    char *seek; /* where to go on behind a group; NULL: the walk ended */
    size_t seek_len;
};

/* The least key above all that begin with `text`; empty: there is none. */
static char *behind(const char *text, size_t len, size_t *ret_len)
{
    char *next = xmemdup(text, len + 1);
    while (len && (unsigned char)next[len - 1] == 255)
        len--;
    if (len)
        next[len - 1] = (char)((unsigned char)next[len - 1] + 1);
    *ret_len = len;
    return next;
}

static bool set_last(struct listing *l, const char *data, size_t len)
{
    if (l->count == l->max) {
        l->truncated = true;
        return false;
    }
    free(l->last);
    l->last = xmemdup(data, len);
    l->last_len = len;
    l->count++;
    return true;
}

static void add_owner(struct listing *l)
{
    if (!l->owner)
        return;
    str_add(&l->xml, "<Owner>");
    xml_element(&l->xml, "ID", l->call->account.canonical_id);
    xml_element(&l->xml, "DisplayName", l->call->account.display_name);
    str_add(&l->xml, "</Owner>");
}

static bool add_object(struct listing *l, const struct listed *o)
{
    if (!set_last(l, o->key.data, o->key.len))
        return false;
    _cleanup_free_ char *modified = clock_iso8601(o->modified);
    str_add(&l->xml, "<Contents>");
    add_key(&l->xml, "Key", o->key.data, o->key.len, l->encode);
    xml_element(&l->xml, "LastModified", modified);
    str_printf(&l->xml, "<ETag>&quot;%s&quot;</ETag><Size>%llu</Size>", o->etag, (unsigned long long)o->size);
    add_owner(l);
    str_add(&l->xml, "<StorageClass>STANDARD</StorageClass></Contents>");
    return true;
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return c ? c : (a_len > b_len) - (a_len < b_len);
}

static bool each(void *arg, const struct listed *o)
{
    struct listing *l = arg;
    size_t skip = strlen(l->prefix), width = strlen(l->delimiter);
    const char *at = width && o->key.len > skip ? memmem(o->key.data + skip, o->key.len - skip, l->delimiter, width) : NULL;
    if (!at)
        return add_object(l, o);
    size_t len = (size_t)(at - o->key.data) + width;
    if (!l->after || compare(o->key.data, len, l->after, l->after_len) > 0) {
        if (!set_last(l, o->key.data, len))
            return false;
        str_add(&l->groups, "<CommonPrefixes>");
        add_key(&l->groups, "Prefix", o->key.data, len, l->encode);
        str_add(&l->groups, "</CommonPrefixes>");
    }
    l->seek = behind(o->key.data, len, &l->seek_len);
    return false;
}

static struct error *walk(struct listing *l, struct db_tx *tx, int64_t bucket)
{
    size_t end_len = 0, prefix_len = strlen(l->prefix);
    _cleanup_free_ char *end = behind(l->prefix, prefix_len, &end_len);
    bool from = !l->after || compare(l->after, l->after_len, l->prefix, prefix_len) < 0;
    _cleanup_free_ char *start = from ? xmemdup(l->prefix, prefix_len + 1) : xmemdup(l->after, l->after_len);
    size_t start_len = from ? prefix_len : l->after_len;
    if (!l->max)
        return NULL;
    for (;;) {
        l->seek = NULL;
        RETURN_IF_ERROR(index_list(tx, bucket, (struct key){start, start_len}, from, (struct key){end, end_len}, each, l));
        if (!l->seek || !l->seek_len || l->truncated) {
            free(l->seek);
            return NULL;
        }
        free(start);
        start = l->seek;
        start_len = l->seek_len;
        from = true;
    }
}

static struct error *read_page(struct db_tx *tx, void *arg)
{
    struct listing *l = arg;
    struct bucket b;
    RETURN_IF_ERROR(call_bucket(l->call, tx, &b));
    return walk(l, tx, b.id);
}

static void listing_free(struct listing *l)
{
    str_free(&l->xml);
    str_free(&l->groups);
    free(l->after);
    free(l->last);
}

static struct error *take_start(struct listing *l)
{
    struct call *c = l->call;
    const char *token = call_param(c, "continuation-token");
    const char *plain = call_param(c, l->v2 ? "start-after" : "marker");
    if (l->v2 && token) {
        unsigned char *raw = NULL;
        RETURN_IF_ERROR(error_recode(base64_decode(token, 4096, &raw, &l->after_len), &S3_INVALID_ARGUMENT,
                                     "The continuation token provided is incorrect"));
        l->after = (char *)raw;
    } else if (plain && *plain) {
        l->after = xstrdup(plain);
        l->after_len = strlen(plain);
    }
    return NULL;
}

static struct error *take_params(struct listing *l)
{
    struct call *c = l->call;
    const char *type = call_param(c, "list-type"), *max = call_param(c, "max-keys");
    const char *encoding = call_param(c, "encoding-type"), *owner = call_param(c, "fetch-owner");
    uint64_t n = PAGE;
    l->v2 = type && streq(type, "2");
    l->prefix = call_param(c, "prefix") ? call_param(c, "prefix") : "";
    l->delimiter = call_param(c, "delimiter") ? call_param(c, "delimiter") : "";
    l->encode = encoding && streq(encoding, "url");
    l->owner = !l->v2 || (owner && streq(owner, "true"));
    if (encoding && !l->encode)
        return error_new(S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request");
    if (max)
        RETURN_IF_ERROR(error_recode(parse_u64(max, INT32_MAX, &n), &S3_INVALID_ARGUMENT, "max-keys is not valid"));
    l->max = n < PAGE ? (size_t)n : PAGE;
    return take_start(l);
}

static void add_tail(struct listing *l, struct str *out)
{
    if (!l->v2) {
        const char *marker = call_param(l->call, "marker");
        add_key(out, "Marker", marker ? marker : "", strlen(marker ? marker : ""), l->encode);
        if (l->truncated && l->last)
            add_key(out, "NextMarker", l->last, l->last_len, l->encode);
        return;
    }
    str_printf(out, "<KeyCount>%zu</KeyCount>", l->count);
    xml_element(out, "ContinuationToken", call_param(l->call, "continuation-token"));
    const char *start = call_param(l->call, "start-after");
    if (start)
        add_key(out, "StartAfter", start, strlen(start), l->encode);
    if (l->truncated && l->last) {
        _cleanup_free_ char *token = base64_encode(l->last, l->last_len);
        xml_element(out, "NextContinuationToken", token);
    }
}

struct error *op_list(struct call *c)
{
    _cleanup_(listing_free) struct listing l = {.call = c};
    struct str out = STR_INIT;
    RETURN_IF_ERROR(take_params(&l));
    RETURN_IF_ERROR(db_read(c->store->db, read_page, &l));
    str_add(&out, "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    xml_element(&out, "Name", c->bucket);
    add_key(&out, "Prefix", l.prefix, strlen(l.prefix), l.encode);
    str_printf(&out, "<MaxKeys>%zu</MaxKeys><IsTruncated>%s</IsTruncated>", l.max, l.truncated ? "true" : "false");
    if (*l.delimiter)
        add_key(&out, "Delimiter", l.delimiter, strlen(l.delimiter), l.encode);
    if (l.encode)
        xml_element(&out, "EncodingType", "url");
    add_tail(&l, &out);
    str_add(&out, str_text(&l.xml));
    str_add(&out, str_text(&l.groups));
    str_add(&out, "</ListBucketResult>");
    call_answer_xml(c, 200, &out);
    return NULL;
}
