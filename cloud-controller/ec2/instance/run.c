/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/shape-json.h"
#include "cloud-controller/ec2/instance/options.h"
#include "cloud-controller/ec2/instance/view.h"
#include "common/base/clock.h"
#include "common/crypto/digest.h"

#define TOKEN_MAX 64
/* Of the public network, for gateways and the like. */
#define PUBLIC_RESERVED_LOW  16
#define PUBLIC_RESERVED_HIGH 1

struct run {
    struct request_ctx *ctx;
    const struct ec2_run_instances_request *in;
    const char *type;
    struct launch_options options;
    unsigned char fingerprint[SHA256_SIZE];
    struct id reservation;
    int64_t now;
    /* looked up */
    struct store_image image;
    struct store_subnet subnet;
    char *vpc_cidr;
    struct size size;
    struct cloud_zone *zone;
    struct id uses[1 + GROUPS_MAX]; /* the subnet and the groups */
    size_t uses_len;
};

/* ---- what the request alone can tell ---- */

static struct error *check_request(const struct ec2_run_instances_request *in)
{
    if (in->min_count > in->max_count)
        return error_new(API_INVALID_PARAMETER_COMBINATION, "MinCount must not be above MaxCount.");
    if (!ec2_id_ok(in->image_id, "ami-"))
        return error_new(EC2_INVALID_AMIID_MALFORMED, "Invalid id: \"%.80s\" (expecting \"ami-...\")", in->image_id);
    if (in->has_disable_api_termination && in->disable_api_termination)
        return error_new(API_UNSUPPORTED_OPERATION, "Protection from termination is not supported here.");
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
    return tag_specs_check(in->tag_specification.data, in->tag_specification.len, "instance");
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
    const char *subnet = r->options.subnet_id;
    if (subnet) {
        struct error *e = store_subnet_get(tx, account, subnet, &r->subnet);
        if (error_is(e, &ERROR_NOT_FOUND))
            return error_recode(e, &EC2_INVALID_SUBNET_ID_NOT_FOUND, "The subnet ID '%.80s' does not exist", subnet);
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
    return subnet ? NULL : store_subnet_default(tx, account, r->zone->id.text, &r->subnet);
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

/* ---- one instance ---- */

static void set_groups(const struct run *r, json_t *body)
{
    json_t *ids = json_array(), *names = json_array();
    array_each(&r->options.groups, g) {
        json_push(ids, json_string(g->id.text));
        json_push(names, json_string(g->name));
    }
    json_set(body, "groups", ids);
    json_set(body, "group_names", names);
}

static void set_network(const struct run *r, const struct store_instance *i, json_t *body)
{
    _cleanup_free_ char *cidr = cidr_text((struct cidr){r->subnet.first, r->subnet.prefix});
    json_set_string(body, "address", i->private_ip);
    json_set_string(body, "mac", i->mac);
    json_set_string(body, "eni", i->eni.text);
    json_set_string(body, "subnet", i->subnet.text);
    json_set_string(body, "subnet_cidr", cidr);
    json_set_string(body, "vpc", i->vpc.text);
    json_set_string(body, "vpc_cidr", r->vpc_cidr);
    json_set_u64(body, "vni", r->subnet.vni);
    if (i->public_ip)
        json_set_string(body, "public_address", i->public_ip);
    set_groups(r, body);
}

static json_t *metadata_of(const struct run *r)
{
    json_t *o = json_object();
    json_set_string(o, "tokens", r->options.metadata_tokens);
    json_set_u64(o, "hop_limit", r->options.metadata_hops);
    json_set_string(o, "endpoint", r->options.metadata_endpoint);
    return o;
}

/* What the node needs to know of it; does not change. */
static char *make_body(const struct run *r, const struct store_instance *i)
{
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "account", i->account.text);
    json_set_string(o, "reservation", r->reservation.text);
    json_set_string(o, "image", i->image.text);
    json_set_string(o, "type", i->type.text);
    json_set_string(o, "region", r->ctx->cloud->config->region);
    json_set_string(o, "zone", r->zone->id.text);
    json_set_u64(o, "launch_index", i->launch_index);
    json_set_u64(o, "launch_ms", (uint64_t)i->launch_ms);
    set_network(r, i, o);
    if (r->options.public_key) {
        json_set_string(o, "key_name", i->key_name);
        json_set_string(o, "public_key", r->options.public_key);
    }
    if (i->user_data)
        json_set_string(o, "user_data", i->user_data);
    json_set(o, "metadata", metadata_of(r));
    return json_text(o);
}

static struct error *take_addresses(struct run *r, struct db_tx *tx, struct store_instance *i)
{
    const struct cidr public = r->ctx->cloud->public_network;
    uint32_t address = 0;
    struct error *e = store_address_take(tx, &r->subnet, i->account.text, i->id.text, r->now, &address);
    if (error_is(e, &ERROR_UNAVAILABLE))
        return error_recode(e, &EC2_INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET, NULL);
    RETURN_IF_ERROR(e);
    i->private_ip = ipv4_text(address);
    i->mac = make_mac();
    if (!r->options.wants_public)
        return NULL;
    e = store_public_address_take(tx, public.first + PUBLIC_RESERVED_LOW,
                                  public.first + (uint32_t)cidr_size(public) - 1 - PUBLIC_RESERVED_HIGH, i->account.text,
                                  i->id.text, r->now, &address);
    if (error_is(e, &ERROR_UNAVAILABLE))
        return error_recode(e, &EC2_INSUFFICIENT_ADDRESS_CAPACITY, "Not enough available addresses to satisfy your request.");
    RETURN_IF_ERROR(e);
    i->public_ip = ipv4_text(address);
    return NULL;
}

static struct error *write_instance(struct run *r, struct db_tx *tx, const struct store_instance *i)
{
    const store_groups *groups = &r->options.groups;
    RETURN_IF_ERROR(store_instance_insert(tx, i));
    for (size_t k = 0; k < groups->len; k++)
        RETURN_IF_ERROR(store_instance_group_add(tx, i->id.text, k, groups->data[k].id.text));
    return tag_specs_write(tx, r->in->tag_specification.data, r->in->tag_specification.len, i->account.text, i->id.text,
                           "instance");
}

static struct error *add_instance(struct run *r, struct db_tx *tx, uint64_t index, struct cloud_want *want)
{
    struct store_instance i = {.id = id_random("i-"),
                               .account = r->ctx->account,
                               .image = r->image.id,
                               .type = id_of(r->type),
                               .key_name = xstrdup(r->in->key_name),
                               .launch_index = index,
                               .launch_ms = r->now,
                               .vpc = r->subnet.vpc,
                               .subnet = r->subnet.id,
                               .architecture = xstrdup(r->image.architecture),
                               .client_token = xstrdup(r->in->client_token),
                               .eni = id_random("eni-"),
                               .user_data = xstrdup(r->options.user_data),
                               .metadata_tokens = xstrdup(r->options.metadata_tokens),
                               .metadata_endpoint = xstrdup(r->options.metadata_endpoint),
                               .metadata_hops = r->options.metadata_hops};
    struct error *e = take_addresses(r, tx, &i);
    if (!e)
        e = write_instance(r, tx, &i);
    if (!e)
        *want = (struct cloud_want){i.id, r->size, make_body(r, &i), r->uses, r->uses_len};
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

static struct error *find_network(struct run *r, struct db_tx *tx)
{
    struct store_vpc vpc = {0};
    RETURN_IF_ERROR(launch_options_find(&r->options, tx, &r->subnet, r->ctx->cloud->has_public_network));
    RETURN_IF_ERROR(store_vpc_get(tx, r->ctx->account.text, r->subnet.vpc.text, &vpc));
    r->vpc_cidr = TAKE_PTR(vpc.cidr);
    store_vpc_free(&vpc);
    r->uses[r->uses_len++] = r->subnet.id;
    array_each(&r->options.groups, g)
        r->uses[r->uses_len++] = g->id;
    return NULL;
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
    RETURN_IF_ERROR(find_network(r, tx));
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
    store_instances rows = {0};
    struct error *e = store_instance_of_reservation(tx, a->run->ctx->account.text, a->run->reservation.text, &rows);
    array_each(&rows, row) {
        _cleanup_view_ struct instance_view v = {0};
        if (!e)
            e = instance_view_read(tx, row, &v);
        if (!e)
            instance_view_fill(&v, array_add(&a->out->instances_set));
        store_instance_free(row);
    }
    array_free(&rows);
    return e;
}

static struct error *check_all(struct run *r)
{
    RETURN_IF_ERROR(check_request(r->in));
    RETURN_IF_ERROR(launch_options_read(r->in, &r->options));
    return authorize(r->ctx, "*");
}

struct error *ec2_run_instances(struct request_ctx *ctx, const struct ec2_run_instances_request *in,
                                struct ec2_run_instances_response *ret_out)
{
    struct run r = {.ctx = ctx, .in = in, .now = clock_wall_ms()};
    r.type = in->instance_type ? in->instance_type : "m1.small";
    struct error *e = check_all(&r);
    if (!e) {
        take_fingerprint(&r);
        e = brain_change(ctx->cloud->brain, DB_FORCED, change, &r);
    }
    store_image_free(&r.image);
    launch_options_free(&r.options);
    free(r.vpc_cidr);
    RETURN_IF_ERROR(e);
    ret_out->reservation_id = xstrdup(r.reservation.text);
    ret_out->owner_id = xstrdup(ctx->account.text);
    struct answer a = {&r, ret_out};
    return db_read(ctx->cloud->db, read_answer, &a);
}
