/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"

#define PAGE_ROWS 200
#define MOST      1000

static const char *const filter_names[] = {
    "architecture",        "availability-zone", "client-token",       "hypervisor",         "image-id",
    "instance-id",         "instance-state-code", "instance-state-name", "instance-type",   "key-name",
    "launch-index",        "owner-id",          "private-dns-name",   "private-ip-address", "reservation-id",
    "root-device-type",    "state-reason-code", "subnet-id",          "tenancy",            "virtualization-type",
    "vpc-id",              NULL};

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_instances_request *in;
    struct ec2_describe_instances_response *out;
    struct id after;
    size_t limit, shown;
    bool more; /* rows are left */
};

/* The value that a filter of this name looks at. */
static const char *value_of(const char *name, const struct ec2_instance *i, const struct store_instance *row,
                            const char *code, const char *index)
{
    const struct {
        const char *name, *value;
    } values[] = {
        {"architecture", i->architecture},
        {"availability-zone", row->zone.text},
        {"client-token", i->client_token},
        {"hypervisor", i->hypervisor},
        {"image-id", i->image_id},
        {"instance-id", i->instance_id},
        {"instance-state-code", code},
        {"instance-state-name", i->instance_state->name},
        {"instance-type", i->instance_type},
        {"key-name", i->key_name},
        {"launch-index", index},
        {"owner-id", row->account.text},
        {"private-dns-name", i->private_dns_name},
        {"private-ip-address", i->private_ip_address},
        {"reservation-id", row->reservation.text},
        {"root-device-type", i->root_device_type},
        {"state-reason-code", row->reason_code},
        {"subnet-id", i->subnet_id},
        {"tenancy", "default"},
        {"virtualization-type", i->virtualization_type},
        {"vpc-id", i->vpc_id},
    };
    for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
        if (streq(name, values[k].name))
            return values[k].value;
    }
    return NULL;
}

static bool passes(const struct describe *d, const struct ec2_instance *i, const struct store_instance *row,
                   const store_tags *tags)
{
    _cleanup_free_ char *code = xasprintf("%jd", (intmax_t)i->instance_state->code);
    _cleanup_free_ char *index = xasprintf("%jd", (intmax_t)i->ami_launch_index);
    array_each(&d->in->filter, f) {
        bool about_tags;
        bool ok = filter_tags(f, tags, &about_tags);
        if (!about_tags)
            ok = filter_any(f, value_of(f->name, i, row, code, index));
        if (!ok)
            return false;
    }
    return true;
}

static struct ec2_reservation *reservation_of(struct describe *d, const struct store_instance *row)
{
    array_each(&d->out->reservation_set, r) {
        if (streq(r->reservation_id, row->reservation.text))
            return r;
    }
    struct ec2_reservation *r = array_add(&d->out->reservation_set);
    r->reservation_id = xstrdup(row->reservation.text);
    r->owner_id = xstrdup(row->account.text);
    return r;
}

static struct error *show(struct describe *d, struct db_tx *tx, const struct store_instance *row)
{
    store_tags tags = {0};
    struct ec2_instance i = {0};
    struct error *e = store_tag_list(tx, row->account.text, row->id.text, NULL, NULL, TAGS_MAX, &tags);
    if (!e)
        ec2_instance_fill(row, &tags, &i);
    if (!e && passes(d, &i, row, &tags)) {
        array_push(&reservation_of(d, row)->instances_set, i);
        d->shown++;
    } else {
        shape_free(&ec2_instance_shape, &i);
    }
    array_each(&tags, tag)
        store_tag_free(tag);
    array_free(&tags);
    return e;
}

static struct error *read_page(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    store_instances rows = {0};
    struct error *e = store_instance_page(tx, d->ctx->account.text, d->after.text, PAGE_ROWS, &rows);
    d->more = rows.len == PAGE_ROWS;
    array_each(&rows, row) {
        if (!e && d->shown < d->limit) {
            e = show(d, tx, row);
            d->after = row->id;
        } else {
            d->more = true;
        }
        store_instance_free(row);
    }
    array_free(&rows);
    return e;
}

static struct error *not_found(const struct str *missing, size_t count)
{
    return error_new(EC2_INVALID_INSTANCE_ID_NOT_FOUND, "The instance ID%s '%s' do%s not exist", count > 1 ? "s" : "",
                     missing->data, count > 1 ? "" : "es");
}

static struct error *read_named(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    _cleanup_str_ struct str missing = STR_INIT;
    size_t missing_count = 0;
    array_each(&d->in->instance_id, id) {
        store_instances rows = {0};
        struct error *e = store_instance_get(tx, d->ctx->account.text, *id, &rows);
        if (error_is(e, &ERROR_NOT_FOUND)) {
            e = error_free(e);
            str_printf(&missing, "%s%s", missing_count++ ? ", " : "", *id);
        }
        array_each(&rows, row) {
            if (!e)
                e = show(d, tx, row);
            store_instance_free(row);
        }
        array_free(&rows);
        RETURN_IF_ERROR(e);
    }
    return missing_count ? not_found(&missing, missing_count) : NULL;
}

static struct error *check_ids(const struct ec2_describe_instances_request *in)
{
    array_each(&in->instance_id, id) {
        if (!ec2_id_ok(*id, "i-"))
            return error_new(EC2_INVALID_INSTANCE_ID_MALFORMED, "Invalid id: \"%.80s\"", *id);
    }
    if (in->instance_id.len && (in->has_max_results || in->next_token))
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "The parameter instancesSet cannot be used with the parameter maxResults");
    return filters_check(in->filter.data, in->filter.len, filter_names, true);
}

struct error *ec2_describe_instances(struct request_ctx *ctx, const struct ec2_describe_instances_request *in,
                                     struct ec2_describe_instances_response *ret_out)
{
    struct describe d = {.ctx = ctx, .in = in, .out = ret_out, .limit = MOST, .more = true};
    RETURN_IF_ERROR(check_ids(in));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (in->instance_id.len)
        return db_read(ctx->cloud->db, read_named, &d);
    if (in->has_max_results)
        d.limit = (size_t)in->max_results;
    if (in->next_token) {
        _cleanup_free_ char *last = NULL;
        RETURN_IF_ERROR(page_token_open(ctx, in->next_token, &last));
        if (!id_parse(last, &d.after))
            return error_new(API_INVALID_PAGINATION_TOKEN, "The token in NextToken is not valid.");
    }
    while (d.more && d.shown < d.limit)
        RETURN_IF_ERROR(db_read(ctx->cloud->db, read_page, &d));
    if (d.more)
        ret_out->next_token = page_token(ctx, d.after.text);
    return NULL;
}
