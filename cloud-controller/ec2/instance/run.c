/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/shape-json.h"
#include "cloud-controller/ec2/common.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"

#define TOKEN_MAX 64

struct run {
    struct request_ctx *ctx;
    const struct ec2_run_instances_request *in;
    const char *type;
    unsigned char fingerprint[SHA256_SIZE];
    struct id reservation;
    int64_t now;
    /* looked up */
    struct store_image image;
    struct store_subnet subnet;
    struct size size;
    struct cloud_zone *zone;
};

/* ---- what the request alone can tell ---- */

static struct error *check_tags(const struct ec2_run_instances_request *in)
{
    array_each(&in->tag_specification, spec) {
        if (!spec->resource_type || !streq(spec->resource_type, "instance"))
            return error_new(API_INVALID_PARAMETER_VALUE,
                             "'%.40s' is not a valid taggable resource type for this operation.",
                             spec->resource_type ? spec->resource_type : "");
        if (spec->tag.len > TAGS_MAX)
            return error_new(EC2_TAG_LIMIT_EXCEEDED, "An instance may have at most %d tags.", TAGS_MAX);
        array_each(&spec->tag, tag)
            RETURN_IF_ERROR(tag_check(tag));
    }
    return NULL;
}

static struct error *check_request(const struct ec2_run_instances_request *in)
{
    if (in->min_count > in->max_count)
        return error_new(API_INVALID_PARAMETER_COMBINATION, "MinCount must not be above MaxCount.");
    if (!ec2_id_ok(in->image_id, "ami-"))
        return error_new(EC2_INVALID_AMIID_MALFORMED, "Invalid id: \"%.80s\" (expecting \"ami-...\")", in->image_id);
    if (in->key_name)
        return error_new(EC2_INVALID_KEY_PAIR_NOT_FOUND, "The key pair '%.80s' does not exist", in->key_name);
    if (in->monitoring && in->monitoring->enabled)
        return error_new(API_UNSUPPORTED_OPERATION, "Detailed monitoring is not supported here.");
    if (in->has_ebs_optimized && in->ebs_optimized)
        return error_new(API_UNSUPPORTED_OPERATION, "EBS-optimized instances are not supported here.");
    const char *behaviour = in->instance_initiated_shutdown_behavior;
    if (behaviour && !streq(behaviour, "terminate"))
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "An instance-store instance can only terminate when it shuts itself down.");
    const char *tenancy = in->placement ? in->placement->tenancy : NULL;
    if (tenancy && !streq(tenancy, "default"))
        return error_new(API_UNSUPPORTED_OPERATION, "The tenancy '%.40s' is not supported here.", tenancy);
    if (in->client_token && (strlen(in->client_token) > TOKEN_MAX || !*in->client_token))
        return error_new(API_INVALID_PARAMETER_VALUE, "ClientToken must have 1 to %d characters.", TOKEN_MAX);
    return check_tags(in);
}

/* The same request under the same token is answered the same; another one is refused. */
static void take_fingerprint(struct run *r)
{
    _cleanup_(json_decrefp) json_t *o = shape_to_json(&ec2_run_instances_request_shape, r->in);
    json_object_del(o, "ClientToken");
    _cleanup_free_ char *text = json_text(o);
    sha256(text, strlen(text), r->fingerprint);
}

/* ---- in the transaction ---- */

static struct error *find_type(struct run *r, const struct cloud_model *c)
{
    array_each(&c->types, type) {
        if (id_is(&type->name, r->type)) {
            r->size = type->size;
            return NULL;
        }
    }
    return error_new(API_INVALID_PARAMETER_VALUE, "Invalid value '%.40s' for InstanceType.", r->type);
}

static struct error *find_image(struct run *r, struct db_tx *tx)
{
    struct error *e = store_image_get(tx, r->ctx->account.text, r->in->image_id, &r->image);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_recode(e, &EC2_INVALID_AMIID_NOT_FOUND, "The image id '[%s]' does not exist", r->in->image_id);
    if (!e && !streq(r->image.state, "available"))
        e = error_new(EC2_INVALID_AMIID_UNAVAILABLE, "The image %s is %s", r->in->image_id, r->image.state);
    return e;
}

/* Asked for by zone or by subnet; else the one with the most room. */
static struct error *find_zone(struct run *r, struct db_tx *tx, const struct cloud_model *c)
{
    const char *account = r->ctx->account.text;
    const char *zone = r->in->placement ? r->in->placement->availability_zone : NULL;
    if (r->in->subnet_id) {
        struct error *e = store_subnet_get(tx, account, r->in->subnet_id, &r->subnet);
        if (error_is(e, &ERROR_NOT_FOUND))
            return error_recode(e, &EC2_INVALID_SUBNET_ID_NOT_FOUND, "The subnet ID '%.80s' does not exist",
                                r->in->subnet_id);
        RETURN_IF_ERROR(e);
        if (zone && !id_is(&r->subnet.zone, zone))
            return error_new(API_INVALID_PARAMETER_COMBINATION, "The subnet %s is in the zone %s.",
                             r->subnet.id.text, r->subnet.zone.text);
        zone = r->subnet.zone.text;
    }
    array_each(&c->zones, z) {
        if (zone ? id_is(&(*z)->id, zone)
                 : !r->zone || cloud_free_slots(c, *z, r->type) > cloud_free_slots(c, r->zone, r->type))
            r->zone = *z;
    }
    if (!r->zone)
        return error_new(API_INVALID_PARAMETER_VALUE, "Invalid availability zone: [%.80s]", zone ? zone : "");
    return r->in->subnet_id ? NULL : store_subnet_default(tx, account, r->zone->id.text, &r->subnet);
}

/* How many it will be: what the zone has room for, up to MaxCount. */
static struct error *find_count(struct run *r, struct db_tx *tx, const struct cloud_model *c, uint64_t *ret)
{
    uint64_t free = cloud_free_slots(c, r->zone, r->type), have = 0, quota = 0;
    uint64_t min = (uint64_t)r->in->min_count, max = (uint64_t)r->in->max_count;
    const char *account = r->ctx->account.text;
    RETURN_IF_ERROR(store_instance_count(tx, account, &have));
    RETURN_IF_ERROR(store_quota(tx, account, "instances", r->ctx->cloud->config->instance_quota, &quota));
    if (have + min > quota)
        return error_new(EC2_INSTANCE_LIMIT_EXCEEDED,
                         "You have %ju instances; with %ju more you would exceed your limit of %ju.",
                         (uintmax_t)have, (uintmax_t)min, (uintmax_t)quota);
    if (free < min)
        return error_new(EC2_INSUFFICIENT_INSTANCE_CAPACITY,
                         "The zone %s has room for %ju more instances of type %s now.", r->zone->id.text,
                         (uintmax_t)free, r->type);
    *ret = max < free ? max : free;
    if (*ret > quota - have)
        *ret = quota - have;
    return NULL;
}

static char *make_mac(void)
{
    unsigned char b[5];
    random_bytes(b, sizeof b);
    return xasprintf("02:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4]);
}

static char *make_body(const struct run *r, const struct store_instance *i)
{
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "account", i->account.text);
    json_set_string(o, "image", i->image.text);
    if (*r->image.disk_name)
        json_set_string(o, "disk", r->image.disk_name);
    json_set_string(o, "type", i->type.text);
    json_set_string(o, "address", i->private_ip);
    json_set_string(o, "mac", i->mac);
    json_set_string(o, "subnet", i->subnet.text);
    json_set_string(o, "vpc", i->vpc.text);
    json_set_u64(o, "launch_index", i->launch_index);
    return json_text(o);
}

static struct error *add_instance(struct run *r, struct db_tx *tx, uint64_t index, struct cloud_want *want)
{
    uint32_t address = 0;
    struct store_instance i = {.id = id_random("i-"),
                               .account = r->ctx->account,
                               .image = r->image.id,
                               .type = id_of(r->type),
                               .launch_index = index,
                               .launch_ms = r->now,
                               .vpc = r->subnet.vpc,
                               .subnet = r->subnet.id,
                               .architecture = xstrdup(r->image.architecture),
                               .client_token = xstrdup(r->in->client_token)};
    struct error *e = store_address_take(tx, &r->subnet, i.account.text, i.id.text, r->now, &address);
    if (error_is(e, &ERROR_UNAVAILABLE))
        e = error_recode(e, &EC2_INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET, NULL);
    if (!e) {
        i.private_ip = xasprintf("%u.%u.%u.%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
        i.mac = make_mac();
        e = store_instance_insert(tx, &i);
    }
    array_each(&r->in->tag_specification, spec) {
        for (size_t k = 0; !e && k < spec->tag.len; k++)
            e = store_tag_set(tx, i.account.text, i.id.text, "instance", spec->tag.data[k].key,
                              spec->tag.data[k].value ? spec->tag.data[k].value : "");
    }
    if (!e)
        *want = (struct cloud_want){.id = i.id, .size = r->size, .body = make_body(r, &i)};
    store_instance_free(&i);
    return e;
}

/* True where the token was used before; then *r->reservation is what it stands for. */
static struct error *look_up_token(struct run *r, struct db_tx *tx, bool *ret_known)
{
    bool same = false;
    *ret_known = false;
    if (!r->in->client_token)
        return NULL;
    struct error *e = store_token_get(tx, r->ctx->account.text, r->in->client_token, r->fingerprint,
                                      sizeof r->fingerprint, &r->reservation, &same);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_free(e);
    if (!e && !same)
        e = error_new(API_IDEMPOTENT_PARAMETER_MISMATCH,
                      "The client token was used before with other parameters.");
    *ret_known = !e;
    return e;
}

static struct error *change(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)b;
    struct run *r = arg;
    const char *account = r->ctx->account.text;
    bool known;
    uint64_t count = 0;
    RETURN_IF_ERROR(look_up_token(r, tx, &known));
    if (known)
        return NULL;
    RETURN_IF_ERROR(find_type(r, c));
    RETURN_IF_ERROR(find_image(r, tx));
    RETURN_IF_ERROR(find_zone(r, tx, c));
    RETURN_IF_ERROR(find_count(r, tx, c, &count));
    r->reservation = id_random("r-");
    struct cloud_want *wants = xcalloc(count, sizeof *wants);
    struct error *e = NULL;
    for (uint64_t k = 0; !e && k < count; k++)
        e = add_instance(r, tx, k, &wants[k]);
    if (!e && r->in->client_token)
        e = store_token_put(tx, account, r->in->client_token, r->fingerprint, sizeof r->fingerprint,
                            r->reservation.text, r->now);
    if (!e)
        cloud_run(c, r->reservation.text, account, r->zone->id.text, r->ctx->request_id, wants, count);
    for (uint64_t k = 0; k < count; k++)
        free((char *)wants[k].body);
    free(wants);
    return e;
}

/* ---- the answer ---- */

struct answer {
    struct run *run;
    struct ec2_run_instances_response *out;
};

static struct error *read_answer(struct db_tx *tx, void *arg)
{
    const struct answer *a = arg;
    const char *account = a->run->ctx->account.text;
    store_instances rows = {0};
    struct error *e = store_instance_of_reservation(tx, account, a->run->reservation.text, &rows);
    array_each(&rows, row) {
        store_tags tags = {0};
        if (!e)
            e = store_tag_list(tx, account, row->id.text, NULL, NULL, TAGS_MAX, &tags);
        if (!e)
            ec2_instance_fill(row, &tags, array_add(&a->out->instances_set));
        array_each(&tags, tag)
            store_tag_free(tag);
        array_free(&tags);
        store_instance_free(row);
    }
    array_free(&rows);
    return e;
}

struct error *ec2_run_instances(struct request_ctx *ctx, const struct ec2_run_instances_request *in,
                                struct ec2_run_instances_response *ret_out)
{
    struct run r = {.ctx = ctx, .in = in, .now = clock_wall_ms()};
    r.type = in->instance_type ? in->instance_type : "m1.small";
    RETURN_IF_ERROR(check_request(in));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    take_fingerprint(&r);
    struct error *e = brain_change(ctx->cloud->brain, DB_FORCED, change, &r);
    store_image_free(&r.image);
    RETURN_IF_ERROR(e);
    ret_out->reservation_id = xstrdup(r.reservation.text);
    ret_out->owner_id = xstrdup(ctx->account.text);
    struct answer a = {&r, ret_out};
    return db_read(ctx->cloud->db, read_answer, &a);
}
