/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/node-internal.h"

static void job(struct node_model *n, struct node_instance *i, enum node_effect_kind kind)
{
    struct node_effect *e = node_do(n, kind);
    e->record = i->r;
    e->record.body = xstrdup(i->r.body);
    e->record.why = NULL;
    i->busy = true;
}

/* A start waits until the hypervisor was listed once: its domain may run already. */
void node_work(struct node_model *n, struct node_instance *i)
{
    if (i->busy || i->retry_left > 0)
        return;
    if (i->r.phase == NODE_ACCEPTED && n->listed_once)
        job(n, i, NODE_JOB_START);
    else if (i->r.phase == NODE_STARTING && !i->lost)
        job(n, i, NODE_JOB_CREATE);
    else if (i->r.phase == NODE_STOPPING)
        job(n, i, NODE_JOB_STOP);
}

void node_resume(struct node_model *n, struct node_instance *i)
{
    if (!i->busy && i->retry_left <= 0)
        job(n, i, NODE_JOB_RESUME);
}

void node_fence(struct node_model *n, struct node_instance *i)
{
    if (!i->busy && i->retry_left <= 0)
        job(n, i, NODE_JOB_STOP);
}

/* The job's end: what the hypervisor listed meanwhile says nothing of this instance. */
static struct node_instance *job_over(struct node_model *n, const char *id)
{
    struct node_instance *i = node_find(n, id);
    if (!i || !i->busy)
        return NULL;
    i->busy = false;
    i->touched = n->list_serial;
    return i;
}

void node_ended(struct node_model *n, struct node_instance *i, enum observation what, const char *why)
{
    bool told = i->r.phase == NODE_RUNNING && i->r.why;
    if (!told) {
        free(i->r.why);
        i->r.why = xstrdup(why);
        i->r.ended = what;
    }
    i->lost = false;
    node_go(n, i, NODE_ENDED);
    node_write(n, i);
    node_observed(n, i, i->r.ended, i->r.why);
}

void node_on_prepared(struct node_model *n, const char *id, enum job_result result, const char *why)
{
    struct node_instance *i = job_over(n, id);
    if (!i)
        return;
    if (i->r.phase == NODE_ACCEPTED && result == JOB_DONE) {
        node_go(n, i, NODE_STARTING);
        node_write(n, i);
        node_observed(n, i, OBSERVED_STEP, "disk ready, starting the domain");
        job(n, i, NODE_JOB_CREATE);
        return;
    }
    if (i->r.phase == NODE_ACCEPTED && result == JOB_FAILED)
        node_ended(n, i, OBSERVED_FAILED, why);
    else if (result != JOB_DONE)
        i->retry_left = n->timing.job_retry;
    node_work(n, i);
}

void node_on_created(struct node_model *n, const char *id, enum job_result result, const char *why)
{
    struct node_instance *i = job_over(n, id);
    if (!i)
        return;
    if (i->r.phase == NODE_STARTING) {
        if (result == JOB_DONE) {
            i->lost = false;
            node_go(n, i, NODE_RUNNING);
            node_write(n, i);
            node_observed(n, i, OBSERVED_RUNNING, NULL);
        } else if (result == JOB_FAILED) {
            node_ended(n, i, OBSERVED_FAILED, why);
        } else if (result == JOB_NOT_ASKED) {
            i->retry_left = n->timing.job_retry;
        } else { /* unknown is not failed: listings will tell */
            i->lost = true;
            i->looks = 0;
            node_ask_listing(n);
        }
    }
    node_work(n, i);
}

void node_on_stopped(struct node_model *n, const char *id, enum job_result result)
{
    struct node_instance *i = job_over(n, id);
    if (!i || (i->r.phase != NODE_STOPPING && i->r.phase != NODE_STARTING))
        return;
    if (result != JOB_DONE) {
        i->retry_left = n->timing.job_retry;
        return;
    }
    if (i->r.phase == NODE_STARTING) {
        node_ended(n, i, OBSERVED_FAILED, "the hypervisor was lost while starting it");
        return;
    }
    node_record_free(&i->r);
    memset(&i->r.size, 0, sizeof i->r.size);
    i->lost = false;
    node_go(n, i, NODE_GONE);
    node_write(n, i);
    node_applied(n, i);
}

void node_on_step(struct node_model *n, const char *id, const char *text)
{
    struct node_instance *i = node_find(n, id);
    if (i && i->r.present)
        node_observed(n, i, OBSERVED_STEP, text);
}
