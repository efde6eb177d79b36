/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tests/sim/world.h"

struct sim_domain *host_domain(struct host *h, const struct id *id, bool foreign)
{
    array_each(&h->domains, d) {
        if (d->foreign == foreign && id_eq(&d->id, id))
            return d;
    }
    return NULL;
}

bool host_has_disk(const struct host *h, const struct id *id)
{
    array_each(&h->disks, disk) {
        if (id_eq(disk, id))
            return true;
    }
    return false;
}

static void remove_disk(struct host *h, const struct id *id)
{
    for (size_t k = 0; k < h->disks.len; k++) {
        if (id_eq(&h->disks.data[k], id))
            array_remove(&h->disks, k--);
    }
}

static void remove_domain(struct host *h, const struct id *id)
{
    for (size_t k = 0; k < h->domains.len; k++) {
        if (!h->domains.data[k].foreign && id_eq(&h->domains.data[k].id, id))
            array_remove(&h->domains, k--);
    }
}

static void cut_list(struct world *w, const struct host *h, struct sim_job *job)
{
    job->cut = true;
    array_each(&h->domains, d) {
        struct node_domain *line = array_add(&job->seen);
        const char *cloud = d->foreign ? "c-other" : w->cloud_id.text;
        line->id = d->id;
        memcpy(line->cloud, cloud, strlen(cloud) + 1);
        line->generation = d->generation;
        line->running = !d->paused;
        line->paused = d->paused;
    }
}

void host_start_job(struct world *w, struct proc *p, const struct node_effect *e)
{
    struct sim_job *job = array_add(&p->jobs);
    job->kind = e->kind;
    job->id = e->record.id;
    job->generation = e->record.generation;
    job->size = e->record.size;
    job->serial = e->serial;
    if (e->kind == NODE_JOB_OPERATE) {
        job->id = e->operation.id;
        law_operated(w, &job->id);
    }
    if (e->kind == NODE_LIST && chance(w, 0.5))
        cut_list(w, &w->hosts[p->zone][p->node], job);
}

/* The domain runs, unless one of that id does or its disk is gone: libvirt refuses then. */
static bool create(struct world *w, int zone, int node, const struct sim_job *job, bool paused)
{
    struct host *h = &w->hosts[zone][node];
    if (!host_has_disk(h, &job->id) || host_domain(h, &job->id, false))
        return false;
    struct sim_domain d = {job->id, false, job->generation, job->size, paused};
    array_push(&h->domains, d);
    law_started(w, zone, node, &d);
    return true;
}

static void finish_create(struct world *w, struct proc *p, const struct sim_job *job)
{
    struct host *h = &w->hosts[p->zone][p->node];
    if (!h->libvirt_up && chance(w, 0.5)) {
        node_on_created(p->node_model, job->id.text, JOB_NOT_ASKED, NULL);
        return;
    }
    if (!h->libvirt_up || (w->faults_on && chance(w, 0.06))) {
        w->struck[FAULT_JOB_UNKNOWN]++;
        if (h->libvirt_up && chance(w, 0.5))
            create(w, p->zone, p->node, job, chance(w, 0.5));
        else if (chance(w, 0.5))
            array_push(&h->late, *job);
        node_on_created(p->node_model, job->id.text, JOB_UNKNOWN, NULL);
        return;
    }
    if (w->faults_on && chance(w, 0.02)) {
        w->struck[FAULT_JOB_FAILED]++;
        node_on_created(p->node_model, job->id.text, JOB_FAILED, "no such machine");
        return;
    }
    bool done = create(w, p->zone, p->node, job, false) || host_domain(h, &job->id, false);
    node_on_created(p->node_model, job->id.text, done ? JOB_DONE : JOB_FAILED, "refused");
}

static void finish_resume(struct world *w, struct proc *p, const struct sim_job *job)
{
    struct host *h = &w->hosts[p->zone][p->node];
    struct sim_domain *d = host_domain(h, &job->id, false);
    bool lost = w->faults_on && chance(w, 0.1);
    if (d && h->libvirt_up && (!lost || chance(w, 0.5)))
        d->paused = false;
    enum job_result result = !h->libvirt_up ? JOB_NOT_ASKED : lost || !d ? JOB_UNKNOWN : JOB_DONE;
    node_on_created(p->node_model, job->id.text, result, NULL);
}

static void finish_stop(struct world *w, struct proc *p, const struct sim_job *job)
{
    struct host *h = &w->hosts[p->zone][p->node];
    bool unknown = !h->libvirt_up || (w->faults_on && chance(w, 0.05));
    if (h->libvirt_up && (!unknown || chance(w, 0.5))) {
        remove_domain(h, &job->id);
        remove_disk(h, &job->id);
    }
    if (unknown)
        w->struck[FAULT_JOB_UNKNOWN]++;
    node_on_stopped(p->node_model, job->id.text, unknown ? JOB_UNKNOWN : JOB_DONE);
}

static void finish_list(struct world *w, struct proc *p, struct sim_job *job)
{
    struct host *h = &w->hosts[p->zone][p->node];
    if (!job->cut)
        cut_list(w, h, job);
    node_on_listing(p->node_model, job->serial, h->libvirt_up, job->seen.data, job->seen.len);
}

static void finish(struct world *w, struct proc *p, struct sim_job *job)
{
    struct host *h = &w->hosts[p->zone][p->node];
    trace(w, "node %d.%d job %d of %s ends", p->zone, p->node, job->kind, job->id.text);
    switch (job->kind) {
    case NODE_JOB_START:
        if (w->faults_on && chance(w, 0.02)) {
            w->struck[FAULT_JOB_FAILED]++;
            node_on_prepared(p->node_model, job->id.text, JOB_FAILED, "no such image");
            break;
        }
        if (!host_has_disk(h, &job->id))
            array_push(&h->disks, job->id);
        node_on_prepared(p->node_model, job->id.text, JOB_DONE, NULL);
        break;
    case NODE_JOB_CREATE:
        finish_create(w, p, job);
        break;
    case NODE_JOB_RESUME:
        finish_resume(w, p, job);
        break;
    case NODE_JOB_STOP:
        finish_stop(w, p, job);
        break;
    case NODE_JOB_OPERATE:
        node_on_operated(p->node_model, job->id.text, chance(w, 0.8), NULL, "why not");
        break;
    default:
        finish_list(w, p, job);
        break;
    }
    array_free(&job->seen);
    node_settle(w, p);
}

bool host_finish_job(struct world *w)
{
    size_t first = (size_t)rnd_below(w, w->procs.len);
    for (size_t k = 0; k < w->procs.len; k++) {
        struct proc *p = w->procs.data[(first + k) % w->procs.len];
        if (p->kind != PROC_NODE || !p->up || p->paused || !p->jobs.len)
            continue;
        size_t at = (size_t)rnd_below(w, p->jobs.len);
        struct sim_job job = p->jobs.data[at];
        array_remove(&p->jobs, at);
        finish(w, p, &job);
        return true;
    }
    return false;
}

static struct proc *node_proc(struct world *w, int zone, int node)
{
    array_each(&w->procs, p) {
        if ((*p)->kind == PROC_NODE && (*p)->zone == zone && (*p)->node == node)
            return *p;
    }
    abort();
}

void host_power_cut(struct world *w, int zone, int node)
{
    struct host *h = &w->hosts[zone][node];
    struct proc *p = node_proc(w, zone, node);
    if (p->up)
        proc_crash(w, p);
    for (size_t k = 0; k < h->domains.len; k++) {
        if (!h->domains.data[k].foreign)
            array_remove(&h->domains, k--);
    }
    h->late.len = 0;
    h->power_cuts++;
    h->boot_now++;
    h->libvirt_up = true;
}

void host_libvirt_down(struct world *w, int zone, int node)
{
    struct host *h = &w->hosts[zone][node];
    h->libvirt_up = false;
    h->libvirt_back_at = w->now + 500 + (int64_t)rnd_below(w, 12000);
    if (chance(w, 0.5)) /* killed, not stopped: what it had been asked is forgotten */
        h->late.len = 0;
}

bool host_domain_ends(struct world *w, int zone, int node)
{
    struct host *h = &w->hosts[zone][node];
    struct proc *p = node_proc(w, zone, node);
    size_t own = 0;
    array_each(&h->domains, d)
        own += !d->foreign;
    if (!own || !h->libvirt_up)
        return false;
    size_t pick = (size_t)rnd_below(w, own);
    for (size_t k = 0; k < h->domains.len; k++) {
        if (h->domains.data[k].foreign || pick--)
            continue;
        struct id id = h->domains.data[k].id;
        array_remove(&h->domains, k);
        if (p->up && !p->paused && chance(w, 0.7)) {
            bool off = chance(w, 0.5);
            node_on_domain_event(p->node_model, id.text, off ? OBSERVED_SHUT_DOWN : OBSERVED_ENDED,
                                 off ? "the guest powered off" : "destroyed");
            node_settle(w, p);
        }
        return true;
    }
    return false;
}

void host_foreign(struct world *w, int zone, int node)
{
    if (!w->promises.len || w->foreign_made >= 6)
        return;
    struct host *h = &w->hosts[zone][node];
    struct id id = w->promises.data[rnd_below(w, w->promises.len)].id;
    if (host_domain(h, &id, true))
        return;
    struct sim_domain d = {.id = id, .foreign = true};
    array_push(&h->domains, d);
    w->foreign_made++;
    w->struck[FAULT_FOREIGN]++;
}

void host_tick(struct world *w)
{
    for (int z = 0; z < w->zones; z++) {
        for (int n = 0; n < w->nodes; n++) {
            struct host *h = &w->hosts[z][n];
            if (!h->libvirt_up && w->now >= h->libvirt_back_at)
                h->libvirt_up = true;
            if (h->libvirt_up && h->late.len && chance(w, 0.1)) {
                struct sim_job job = h->late.data[0];
                array_remove(&h->late, 0);
                create(w, z, n, &job, chance(w, 0.5));
            }
        }
    }
}
