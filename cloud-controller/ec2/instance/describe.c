/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/instance/view.h"

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_instances_request *in;
    struct ec2_describe_instances_response *out;
    struct page page;
};

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
    _cleanup_view_ struct instance_view v = {0};
    facts f = {0};
    RETURN_IF_ERROR(instance_view_read(tx, row, &v));
    if (d->in->filter.len)
        instance_view_facts(&v, &f);
    if (filters_pass(d->in->filter.data, d->in->filter.len, &f, &v.tags)) {
        instance_view_fill(&v, array_add(&reservation_of(d, row)->instances_set));
        d->page.shown++;
    }
    facts_free(&f);
    return NULL;
}

static struct error *read_page(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    store_instances rows = {0};
    struct error *e = store_instance_page(tx, d->ctx->account.text, d->page.after.text, PAGE_ROWS, &rows);
    d->page.more = rows.len == PAGE_ROWS;
    array_each(&rows, row) {
        if (!e && page_takes(&d->page, &row->id))
            e = show(d, tx, row);
        store_instance_free(row);
    }
    array_free(&rows);
    return e;
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
    return missing_count ? instance_not_found(missing.data, missing_count) : NULL;
}

struct error *ec2_describe_instances(struct request_ctx *ctx, const struct ec2_describe_instances_request *in,
                                     struct ec2_describe_instances_response *ret_out)
{
    struct describe d = {.ctx = ctx, .in = in, .out = ret_out};
    RETURN_IF_ERROR(instance_check_ids(in->instance_id.data, in->instance_id.len));
    if (in->instance_id.len && (in->has_max_results || in->next_token))
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "The parameter instancesSet cannot be used with the parameter maxResults");
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, instance_filter_names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (in->instance_id.len)
        return db_read(ctx->cloud->db, read_named, &d);
    RETURN_IF_ERROR(page_open(ctx, in->max_results, in->next_token, &d.page));
    return page_read(ctx, &d.page, read_page, &d, &ret_out->next_token);
}
