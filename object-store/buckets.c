/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/clock.h"
#include "common/xml/xml.h"
#include "object-store/call.h"
#include "object-store/s3-error.h"

#define XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

struct error *call_bucket(struct call *c, struct db_tx *tx, struct bucket *ret)
{
    const char *owner = call_header(c, "x-amz-expected-bucket-owner");
    RETURN_IF_ERROR(index_bucket(tx, c->bucket, ret));
    if (!streq(ret->account, c->account.id) || (owner && !streq(owner, ret->account)))
        return error_new_code(&S3_ACCESS_DENIED, "%s", S3_ACCESS_DENIED.message);
    return NULL;
}

/* True bucket or an error: what most bucket reads need. */
static struct error *look(struct db_tx *tx, void *arg)
{
    struct bucket b;
    return call_bucket(arg, tx, &b);
}

struct buckets {
    struct call *call;
    struct str xml;
};

static void add_bucket(void *arg, const struct bucket *b)
{
    struct str *xml = arg;
    _cleanup_free_ char *created = clock_iso8601(b->created);
    str_add(xml, "<Bucket>");
    xml_element(xml, "Name", b->name);
    xml_element(xml, "CreationDate", created);
    str_add(xml, "</Bucket>");
}

static struct error *read_buckets(struct db_tx *tx, void *arg)
{
    struct buckets *b = arg;
    return index_buckets(tx, b->call->account.id, add_bucket, &b->xml);
}

static void add_owner(struct str *xml, const struct account *a)
{
    str_add(xml, "<Owner>");
    xml_element(xml, "ID", a->canonical_id);
    xml_element(xml, "DisplayName", a->display_name);
    str_add(xml, "</Owner>");
}

struct error *op_list_buckets(struct call *c)
{
    struct buckets b = {c, STR_INIT};
    str_add(&b.xml, "<ListAllMyBucketsResult" XMLNS ">");
    add_owner(&b.xml, &c->account);
    str_add(&b.xml, "<Buckets>");
    struct error *e = db_read(c->store->db, read_buckets, &b);
    if (e) {
        str_free(&b.xml);
        return e;
    }
    str_add(&b.xml, "</Buckets></ListAllMyBucketsResult>");
    call_answer_xml(c, 200, &b.xml);
    return NULL;
}

static struct error *make(struct db_tx *tx, void *arg)
{
    struct call *c = arg;
    return index_bucket_make(tx, c->bucket, c->account.id, clock_wall_ms());
}

/* The location in the body, where there is one, must be this store's region. */
static struct error *check_location(struct call *c)
{
    size_t len = 0;
    const char *body = http_request_body(c->http, &len);
    _cleanup_(xml_freep) struct xml *x = NULL;
    if (!len)
        return NULL;
    struct error *e = xml_parse(body, len, &x);
    if (e)
        return error_recode(e, &S3_MALFORMED_XML, "%s", S3_MALFORMED_XML.message);
    for (const struct xml_node *n = xml_child(xml_root(x)); n; n = xml_next(n)) {
        _cleanup_free_ char *text = xml_content(n);
        if (streq(xml_name(n), "LocationConstraint") && *text && !streq(text, c->store->region))
            return error_new(S3_INVALID_ARGUMENT, "The specified location-constraint is not valid");
    }
    return NULL;
}

struct error *op_create_bucket(struct call *c)
{
    RETURN_IF_ERROR(check_location(c));
    struct error *e = db_write_wait(c->store->db, DB_FORCED, make, c);
    if (e && !(error_is(e, &S3_BUCKET_YOURS) && streq(c->store->region, "us-east-1")))
        return e;
    error_free(e); /* us-east-1 answers 200 for a bucket that is yours already */
    _cleanup_free_ char *location = xasprintf("/%s", c->bucket);
    call_answer(c, 200);
    http_answer_set(c->answer, "Location", location);
    return NULL;
}

struct error *op_head_bucket(struct call *c)
{
    RETURN_IF_ERROR(db_read(c->store->db, look, c));
    call_answer(c, 200);
    http_answer_set(c->answer, "x-amz-bucket-region", c->store->region);
    return NULL;
}

static struct error *remove_bucket(struct db_tx *tx, void *arg)
{
    struct bucket b;
    RETURN_IF_ERROR(call_bucket(arg, tx, &b));
    return index_bucket_remove(tx, &b);
}

struct error *op_delete_bucket(struct call *c)
{
    RETURN_IF_ERROR(db_write_wait(c->store->db, DB_FORCED | DB_RESCUE, remove_bucket, c));
    call_answer(c, 204);
    return NULL;
}

struct error *op_get_location(struct call *c)
{
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(db_read(c->store->db, look, c));
    bool first = streq(c->store->region, "us-east-1");
    str_add(&xml, "<LocationConstraint" XMLNS ">");
    xml_escape(&xml, first ? "" : c->store->region, XML_REFERENCE);
    str_add(&xml, "</LocationConstraint>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}

struct error *op_get_versioning(struct call *c)
{
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(db_read(c->store->db, look, c));
    str_add(&xml, "<VersioningConfiguration" XMLNS "></VersioningConfiguration>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}

static struct error *look_for_key(struct db_tx *tx, void *arg)
{
    struct call *c = arg;
    struct bucket b;
    struct object o = {0};
    RETURN_IF_ERROR(call_bucket(c, tx, &b));
    struct error *e = c->key_len ? index_object(tx, b.id, call_key(c), false, &o) : NULL;
    object_free(&o);
    return e;
}

struct error *op_get_acl(struct call *c)
{
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(db_read(c->store->db, look_for_key, c));
    str_add(&xml, "<AccessControlPolicy" XMLNS ">");
    add_owner(&xml, &c->account);
    str_add(&xml, "<AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                  "xsi:type=\"CanonicalUser\">");
    xml_element(&xml, "ID", c->account.canonical_id);
    xml_element(&xml, "DisplayName", c->account.display_name);
    str_add(&xml, "</Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}

struct error *op_get_tagging(struct call *c)
{
    struct str xml = STR_INIT;
    RETURN_IF_ERROR(db_read(c->store->db, look_for_key, c));
    str_add(&xml, "<Tagging" XMLNS "><TagSet></TagSet></Tagging>");
    call_answer_xml(c, 200, &xml);
    return NULL;
}

/* Configurations that a bucket of this store never has. */
struct error *op_get_absent(struct call *c)
{
    static const struct {
        const char *name;
        const struct error_code *code;
    } rows[] = {
        {"policy", &S3_NO_BUCKET_POLICY},       {"lifecycle", &S3_NO_LIFECYCLE},
        {"cors", &S3_NO_CORS},                  {"tagging", &S3_NO_TAGS},
        {"encryption", &S3_NO_ENCRYPTION},      {"object-lock", &S3_NO_LOCK},
        {"replication", &S3_NO_REPLICATION},    {"website", &S3_NO_WEBSITE},
        {"publicAccessBlock", &S3_NO_PUBLIC_BLOCK}, {"ownershipControls", &S3_NO_OWNERSHIP},
    };
    RETURN_IF_ERROR(db_read(c->store->db, look, c));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (streq(c->op->subresource, rows[i].name))
            return error_new_code(rows[i].code, "%s", rows[i].code->message);
    return error_new_code(&S3_NOT_HAD, "%s", S3_NOT_HAD.message);
}
