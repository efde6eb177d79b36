/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <strings.h>
#include "common/xml/xml.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

/* GetObjectAttributes: what is known of an object, without its bytes. */
enum {
    WANT_ETAG = 1,
    WANT_CHECKSUM = 2,
    WANT_PARTS = 4,
    WANT_CLASS = 8,
    WANT_SIZE = 16,
};

#define PAGE 1000

struct telling {
    struct call *call;
    struct object object;
    unsigned wanted;
    uint64_t max_parts, after;
};

static void telling_free(struct telling *t)
{
    object_free(&t->object);
}

static unsigned attribute_by_name(const char *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } rows[] = {{"ETag", WANT_ETAG},
                {"Checksum", WANT_CHECKSUM},
                {"ObjectParts", WANT_PARTS},
                {"StorageClass", WANT_CLASS},
                {"ObjectSize", WANT_SIZE}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(name, rows[i].name))
            return rows[i].bit;
    return 0;
}

/* The header may come once with commas, or several times. */
static struct error *take_wanted(struct telling *t)
{
    size_t len = 0;
    const struct http_header *all = http_request_headers(t->call->http, &len);
    for (size_t i = 0; i < len; i++) {
        const char *cursor = all[i].value;
        char *piece;
        if (strcasecmp(all[i].name, "x-amz-object-attributes") != 0)
            continue;
        while ((piece = str_next_piece(&cursor, ','))) {
            char *word = piece + strspn(piece, " ");
            word[strcspn(word, " ")] = 0;
            unsigned bit = attribute_by_name(word);
            bool empty = !*word;
            free(piece);
            if (!bit && !empty)
                return error_new(S3_INVALID_ARGUMENT, "Invalid attribute name specified.");
            t->wanted |= bit;
        }
    }
    if (!t->wanted)
        return error_new(S3_INVALID_REQUEST, "The x-amz-object-attributes header specifying the attributes to be "
                                             "retrieved is either missing or empty");
    return NULL;
}

static struct error *take_number(const struct call *c, const char *header, uint64_t *ret)
{
    const char *text = call_header(c, header);
    if (!text)
        return NULL;
    return error_recode(parse_u64(text, INT32_MAX, ret), &S3_INVALID_ARGUMENT, "%s is not valid", header);
}

static struct error *read_object(struct db_tx *tx, void *arg)
{
    struct telling *t = arg;
    struct bucket b;
    RETURN_IF_ERROR(call_bucket(t->call, tx, &b));
    return index_object(tx, b.id, call_key(t->call), (t->wanted & WANT_PARTS) != 0, &t->object);
}

static void add_checksum(struct str *xml, const char *detail)
{
    enum checksum kind = CHECKSUM_NONE;
    _cleanup_free_ char *value = NULL;
    _cleanup_free_ char *type = NULL;
    if (!detail_checksum(detail, &kind, &value, &type) || !value)
        return;
    str_add(xml, "<Checksum>");
    xml_element(xml, checksum_element(kind), value);
    xml_element(xml, "ChecksumType", type);
    str_add(xml, "</Checksum>");
}

/* A page of the parts behind the marker; an object that was put whole has none. */
static void add_parts(struct str *xml, const struct telling *t)
{
    size_t parts = detail_parts(t->object.detail);
    struct str list = STR_INIT;
    uint64_t last = t->after, count = 0;
    if (!parts)
        return;
    for (; last < parts && last < t->object.segments.len && count < t->max_parts; count++) {
        last++;
        str_printf(&list, "<Part><PartNumber>%llu</PartNumber><Size>%llu</Size></Part>", (unsigned long long)last,
                   (unsigned long long)t->object.segments.data[last - 1].size);
    }
    str_printf(xml,
               "<ObjectParts><PartsCount>%zu</PartsCount><PartNumberMarker>%llu</PartNumberMarker>"
               "<NextPartNumberMarker>%llu</NextPartNumberMarker><MaxParts>%llu</MaxParts><IsTruncated>%s</IsTruncated>",
               parts, (unsigned long long)t->after, (unsigned long long)last, (unsigned long long)t->max_parts,
               last < parts ? "true" : "false");
    str_add(xml, str_text(&list));
    str_add(xml, "</ObjectParts>");
    str_free(&list);
}

struct error *op_get_attributes(struct call *c)
{
    _cleanup_(telling_free) struct telling t = {.call = c, .max_parts = PAGE};
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(take_wanted(&t));
    RETURN_IF_ERROR(take_number(c, "x-amz-max-parts", &t.max_parts));
    RETURN_IF_ERROR(take_number(c, "x-amz-part-number-marker", &t.after));
    if (t.max_parts > PAGE)
        t.max_parts = PAGE;
    RETURN_IF_ERROR(db_read(c->store->db, read_object, &t));
    str_add(&xml, "<GetObjectAttributesResponse xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    if (t.wanted & WANT_ETAG)
        xml_element(&xml, "ETag", t.object.etag);
    if (t.wanted & WANT_CHECKSUM)
        add_checksum(&xml, t.object.detail);
    if (t.wanted & WANT_PARTS)
        add_parts(&xml, &t);
    if (t.wanted & WANT_CLASS)
        xml_element(&xml, "StorageClass", "STANDARD");
    if (t.wanted & WANT_SIZE)
        str_printf(&xml, "<ObjectSize>%llu</ObjectSize>", (unsigned long long)t.object.size);
    str_add(&xml, "</GetObjectAttributesResponse>");
    _cleanup_free_ char *modified = http_date(t.object.modified);
    call_answer_xml(c, 200, &xml);
    http_answer_set(c->answer, "Last-Modified", modified);
    return NULL;
}
