/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/instance/view.h"

/* Interfaces are parts of instances, so that a page's token names an instance. */

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_network_interfaces_request *in;
    struct ec2_describe_network_interfaces_response *out;
    struct page page;
    size_t found; /* of those that were named */
};

static bool named(struct describe *d, const struct store_instance *row)
{
    bool wanted = !d->in->network_interface_id.len;
    array_each(&d->in->network_interface_id, id)
        wanted |= id_is(&row->eni, *id);
    d->found += wanted;
    return wanted;
}

static struct error *show(struct describe *d, struct db_tx *tx, const struct store_instance *row)
{
    _cleanup_view_ struct instance_view v = {0};
    facts f = {0};
    RETURN_IF_ERROR(instance_view_read(tx, row, &v));
    interface_view_facts(&v, &f);
    if (filters_pass(d->in->filter.data, d->in->filter.len, &f, NULL)) {
        interface_view_fill(&v, array_add(&d->out->network_interface_set));
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
        if (!e && page_takes(&d->page, &row->id) && row->state != INSTANCE_TERMINATED && named(d, row))
            e = show(d, tx, row);
        store_instance_free(row);
    }
    array_free(&rows);
    return e;
}

static struct error *check(const struct ec2_describe_network_interfaces_request *in)
{
    array_each(&in->network_interface_id, id) {
        if (!ec2_id_ok(*id, "eni-"))
            return error_new(EC2_INVALID_NETWORK_INTERFACE_ID_MALFORMED, "Invalid id: \"%.80s\" (expecting \"eni-...\")",
                             *id);
    }
    if (in->network_interface_id.len && (in->has_max_results || in->next_token))
        return error_new(API_INVALID_PARAMETER_COMBINATION,
                         "The parameter networkInterfaceIds cannot be used with the parameter maxResults");
    return filters_check(in->filter.data, in->filter.len, interface_filter_names, true);
}

/* The first of the named ones that the account does not have. */
static struct error *check_found(const struct describe *d)
{
    if (d->found >= d->in->network_interface_id.len)
        return NULL;
    return error_new(EC2_INVALID_NETWORK_INTERFACE_ID_NOT_FOUND, "The networkInterface ID '%s' does not exist",
                     d->in->network_interface_id.data[0]);
}

struct error *ec2_describe_network_interfaces(struct request_ctx *ctx,
                                              const struct ec2_describe_network_interfaces_request *in,
                                              struct ec2_describe_network_interfaces_response *ret_out)
{
    struct describe d = {.ctx = ctx, .in = in, .out = ret_out};
    RETURN_IF_ERROR(check(in));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    RETURN_IF_ERROR(page_open(ctx, in->max_results, in->next_token, &d.page));
    if (in->network_interface_id.len)
        d.page.limit = SIZE_MAX;
    RETURN_IF_ERROR(page_read(ctx, &d.page, read_page, &d, &ret_out->next_token));
    return check_found(&d);
}
