/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/instance/view.h"

/* Scheduled events are no part of this cloud: their filters find nothing. */
static const char *const filter_names[] = {
    "availability-zone", "event.code", "event.description", "event.instance-event-id", "event.not-after",
    "event.not-before", "event.not-before-deadline", "instance-state-code", "instance-state-name",
    "instance-status.reachability", "instance-status.status", "system-status.reachability", "system-status.status", NULL};

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_instance_status_request *in;
    struct ec2_describe_instance_status_response *out;
    struct page page;
};

/* What its node tells is that it runs: neither check looks into the guest. */
static const char *check_of(const struct store_instance *row)
{
    return row->state == INSTANCE_RUNNING ? "ok" : row->state == INSTANCE_PENDING ? "initializing" : "not-applicable";
}

static const char *detail_of(const struct store_instance *row)
{
    return row->state == INSTANCE_RUNNING ? "passed" : row->state == INSTANCE_PENDING ? "initializing" : NULL;
}

static struct ec2_status_summary *make_summary(const struct store_instance *row)
{
    struct ec2_status_summary *s = xnew0(struct ec2_status_summary);
    s->status = xstrdup(check_of(row));
    if (detail_of(row)) {
        struct ec2_status_detail *d = array_add(&s->details);
        d->name = xstrdup("reachability");
        d->status = xstrdup(detail_of(row));
    }
    return s;
}

static bool passes(const struct describe *d, const struct store_instance *row)
{
    facts f = {0};
    fact_add(&f, "availability-zone", row->zone.text);
    fact_number(&f, "instance-state-code", instance_state_code((enum instance_state)row->state));
    fact_add(&f, "instance-state-name", instance_state_name((enum instance_state)row->state));
    fact_add(&f, "instance-status.reachability", detail_of(row));
    fact_add(&f, "instance-status.status", check_of(row));
    fact_add(&f, "system-status.reachability", detail_of(row));
    fact_add(&f, "system-status.status", check_of(row));
    bool ok = filters_pass(d->in->filter.data, d->in->filter.len, &f, NULL);
    facts_free(&f);
    return ok;
}

static void show(struct describe *d, const struct store_instance *row)
{
    bool all = d->in->has_include_all_instances && d->in->include_all_instances;
    if ((!all && row->state != INSTANCE_RUNNING) || !passes(d, row))
        return;
    struct ec2_instance_status *s = array_add(&d->out->instance_status_set);
    s->instance_id = xstrdup(row->id.text);
    s->availability_zone = xstrdup(row->zone.text);
    instance_state_fill(&s->instance_state, row->state);
    s->system_status = make_summary(row);
    s->instance_status = make_summary(row);
    d->page.shown++;
}

static struct error *read_page(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    store_instances rows = {0};
    struct error *e = store_instance_page(tx, d->ctx->account.text, d->page.after.text, PAGE_ROWS, &rows);
    d->page.more = rows.len == PAGE_ROWS;
    array_each(&rows, row) {
        if (!e && page_takes(&d->page, &row->id))
            show(d, row);
        store_instance_free(row);
    }
    array_free(&rows);
    return e;
}

static struct error *read_named(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    array_each(&d->in->instance_id, id) {
        store_instances rows = {0};
        struct error *e = store_instance_get(tx, d->ctx->account.text, *id, &rows);
        if (error_is(e, &ERROR_NOT_FOUND)) {
            error_free(e);
            e = instance_not_found(*id, 1);
        }
        array_each(&rows, row) {
            if (!e)
                show(d, row);
            store_instance_free(row);
        }
        array_free(&rows);
        RETURN_IF_ERROR(e);
    }
    return NULL;
}

struct error *ec2_describe_instance_status(struct request_ctx *ctx,
                                           const struct ec2_describe_instance_status_request *in,
                                           struct ec2_describe_instance_status_response *ret_out)
{
    struct describe d = {.ctx = ctx, .in = in, .out = ret_out};
    RETURN_IF_ERROR(instance_check_ids(in->instance_id.data, in->instance_id.len));
    if (in->instance_id.len && (in->has_max_results || in->next_token))
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "The parameter instancesSet cannot be used with the parameter maxResults");
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, filter_names, false));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    if (in->instance_id.len)
        return db_read(ctx->cloud->db, read_named, &d);
    RETURN_IF_ERROR(page_open(ctx, in->max_results, in->next_token, &d.page));
    return page_read(ctx, &d.page, read_page, &d, &ret_out->next_token);
}
