/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"

/* ---- DescribeRegions ---- */

struct error *ec2_describe_regions(struct request_ctx *ctx, const struct ec2_describe_regions_request *in,
                                   struct ec2_describe_regions_response *ret_out)
{
    static const char *const names[] = {"region-name", "endpoint", "opt-in-status", NULL};
    const char *region = ctx->cloud->config->region;
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, false));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    bool wanted = in->region_name.len == 0;
    array_each(&in->region_name, name) {
        if (!streq(*name, region))
            return error_new(API_INVALID_PARAMETER_VALUE, "Invalid region provided: %.80s", *name);
        wanted = true;
    }
    array_each(&in->filter, f)
        wanted &= filter_any(f, streq(f->name, "region-name") ? region
                                : streq(f->name, "endpoint")  ? ctx->endpoint
                                                              : "opt-in-not-required");
    if (!wanted)
        return NULL;
    struct ec2_region *r = array_add(&ret_out->region_info);
    r->region_name = xstrdup(region);
    r->region_endpoint = xstrdup(ctx->endpoint);
    r->opt_in_status = xstrdup("opt-in-not-required");
    return NULL;
}

/* ---- DescribeAvailabilityZones ---- */

struct zones {
    struct request_ctx *ctx;
    const struct ec2_describe_availability_zones_request *in;
    struct ec2_describe_availability_zones_response *out;
};

char *ec2_zone_id(size_t ordinal)
{
    return xasprintf("mle1-az%zu", ordinal + 1);
}

static bool zone_passes(const struct zones *q, const struct cloud_zone *z, const char *id, const char *state)
{
    bool named = !q->in->zone_name.len && !q->in->zone_id.len;
    array_each(&q->in->zone_name, name)
        named |= id_is(&z->id, *name);
    array_each(&q->in->zone_id, name)
        named |= streq(id, *name);
    array_each(&q->in->filter, f)
        named &= filter_any(f, streq(f->name, "zone-name")     ? z->id.text
                               : streq(f->name, "zone-id")     ? id
                               : streq(f->name, "state")       ? state
                               : streq(f->name, "zone-type")   ? "availability-zone"
                               : streq(f->name, "region-name") ? q->ctx->cloud->config->region
                                                               : "opt-in-not-required");
    return named;
}

static void add_zone(const struct zones *q, const struct cloud_zone *z, const char *id, const char *state)
{
    const char *region = q->ctx->cloud->config->region;
    struct ec2_availability_zone *zone = array_add(&q->out->availability_zone_info);
    zone->zone_name = xstrdup(z->id.text);
    zone->zone_state = xstrdup(state);
    zone->region_name = xstrdup(region);
    zone->zone_id = xstrdup(id);
    zone->zone_type = xstrdup("availability-zone");
    zone->group_name = xstrdup(region);
    zone->network_border_group = xstrdup(region);
    zone->opt_in_status = xstrdup("opt-in-not-required");
}

static struct error *unknown_zone(const char *name)
{
    return error_new(API_INVALID_PARAMETER_VALUE, "Invalid availability zone: [%.80s]", name);
}

static struct error *list_zones(struct brain *b, struct db_tx *tx, struct cloud_model *c, void *arg)
{
    (void)tx;
    struct zones *q = arg;
    array_each(&q->in->zone_name, name) {
        if (!cloud_find_zone(c, *name))
            return unknown_zone(*name);
    }
    for (size_t k = 0; k < c->zones.len; k++) {
        const struct cloud_zone *z = c->zones.data[k];
        _cleanup_free_ char *id = ec2_zone_id(k);
        bool alive = z->heard && z->silent < brain_timing(b)->node_expired;
        const char *state = alive ? "available" : "unavailable";
        if (zone_passes(q, z, id, state))
            add_zone(q, z, id, state);
    }
    return NULL;
}

struct error *ec2_describe_availability_zones(struct request_ctx *ctx,
                                              const struct ec2_describe_availability_zones_request *in,
                                              struct ec2_describe_availability_zones_response *ret_out)
{
    static const char *const names[] = {"zone-name",   "zone-id",       "state", "zone-type",
                                        "region-name", "opt-in-status", NULL};
    struct zones q = {ctx, in, ret_out};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, false));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    return brain_change(ctx->cloud->brain, DB_LAZY | DB_RESCUE, list_zones, &q);
}

/* ---- DescribeInstanceTypes ---- */

struct types {
    const struct ec2_describe_instance_types_request *in;
    struct ec2_describe_instance_types_response *out;
};

static bool type_wanted(const struct types *q, const struct store_type *t)
{
    bool named = !q->in->instance_type.len;
    array_each(&q->in->instance_type, name)
        named |= id_is(&t->name, *name);
    _cleanup_free_ char *vcpus = xasprintf("%ju", (uintmax_t)t->size.vcpus);
    _cleanup_free_ char *memory = xasprintf("%ju", (uintmax_t)t->size.memory_mib);
    array_each(&q->in->filter, f)
        named &= filter_any(f, streq(f->name, "instance-type")             ? t->name.text
                               : streq(f->name, "vcpu-info.default-vcpus") ? vcpus
                               : streq(f->name, "memory-info.size-in-mib") ? memory
                               : streq(f->name, "bare-metal")              ? "false"
                                                                           : "true");
    return named;
}

static void set_flag(bool *value, bool *has, bool to)
{
    *value = to;
    *has = true;
}

static void add_type(const struct types *q, const struct store_type *t)
{
    struct ec2_instance_type_info *i = array_add(&q->out->instance_type_set);
    i->instance_type = xstrdup(t->name.text);
    set_flag(&i->current_generation, &i->has_current_generation, true);
    set_flag(&i->free_tier_eligible, &i->has_free_tier_eligible, false);
    set_flag(&i->bare_metal, &i->has_bare_metal, false);
    set_flag(&i->instance_storage_supported, &i->has_instance_storage_supported, true);
    set_flag(&i->burstable_performance_supported, &i->has_burstable_performance_supported, false);
    set_flag(&i->dedicated_hosts_supported, &i->has_dedicated_hosts_supported, false);
    array_push(&i->supported_usage_classes, xstrdup("on-demand"));
    array_push(&i->supported_root_device_types, xstrdup("instance-store"));
    array_push(&i->supported_virtualization_types, xstrdup("hvm"));
    i->processor_info = xnew0(struct ec2_processor_info);
    array_push(&i->processor_info->supported_architectures, xstrdup("x86_64"));
    i->v_cpu_info = xnew0(struct ec2_v_cpu_info);
    i->v_cpu_info->default_v_cpus = (int64_t)t->size.vcpus;
    i->v_cpu_info->has_default_v_cpus = true;
    i->memory_info = xnew0(struct ec2_memory_info);
    i->memory_info->size_in_mi_b = (int64_t)t->size.memory_mib;
    i->memory_info->has_size_in_mi_b = true;
    i->instance_storage_info = xnew0(struct ec2_instance_storage_info);
    i->instance_storage_info->total_size_in_gb = (int64_t)t->size.disk_gib;
    i->instance_storage_info->has_total_size_in_gb = true;
}

static struct error *list_types(struct db_tx *tx, void *arg)
{
    struct types *q = arg;
    store_types all = {0};
    struct error *e = store_type_list(tx, &all);
    array_each(&q->in->instance_type, name) {
        bool known = false;
        array_each(&all, t)
            known |= id_is(&t->name, *name);
        if (!e && !known)
            e = error_new(EC2_INVALID_INSTANCE_TYPE, "The following supplied instance types do not exist: [%.80s]",
                          *name);
    }
    array_each(&all, t) {
        if (!e && type_wanted(q, t))
            add_type(q, t);
    }
    array_free(&all);
    return e;
}

struct error *ec2_describe_instance_types(struct request_ctx *ctx,
                                          const struct ec2_describe_instance_types_request *in,
                                          struct ec2_describe_instance_types_response *ret_out)
{
    static const char *const names[] = {"instance-type", "vcpu-info.default-vcpus", "memory-info.size-in-mib",
                                        "bare-metal",    "current-generation",      NULL};
    struct types q = {in, ret_out};
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, names, false));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (in->next_token) /* all types fit on one page: no token was ever given out */
        return error_new(API_INVALID_PAGINATION_TOKEN, "The token in NextToken is not valid.");
    return db_read(ctx->cloud->db, list_types, &q);
}
