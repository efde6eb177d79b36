/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <stdio.h>
#include "common/base/clock.h"
#include "tests/sim/world.h"

static const char *const fault_names[FAULTS] = {
    "process crash", "process paused", "disconnect",  "broker crash", "broker wiped",
    "power cut",     "libvirt gone",   "domain ended", "foreign domain", "message dropped",
    "message doubled", "message delayed", "message unroutable", "job failed", "job unknown",
    "backup restored",
};

uint64_t rnd(struct world *w)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t rnd_below(struct world *w, uint64_t n)
{
    return rnd(w) % n;
}

bool chance(struct world *w, double p)
{
    return (double)(rnd(w) >> 11) / 9007199254740992.0 < p;
}

static void add_proc(struct world *w, enum proc_kind kind, int zone, int node)
{
    struct proc *p = xnew0(struct proc);
    p->kind = kind;
    p->zone = zone;
    p->node = node;
    array_push(&w->procs, p);
}

static void build(struct world *w)
{
    w->zones = 1 + (int)rnd_below(w, ZONES_MAX);
    w->nodes = 2 + (int)rnd_below(w, NODES_MAX - 1);
    w->cloud_id = id_of("c-sim");
    w->broker_up = true;
    w->disk.era = 1;
    w->timing = (struct timing){.tick = 1000,          .heartbeat = 2000,   .node_expired = 8000,
                                .placing = 12000,      .resend = 5000,      .resend_most = 40000,
                                .pending = 60000,      .shutting_down = 20000, .inventory = 60000,
                                .listing = 4000,       .keep_gone = 1LL << 40, .job_retry = 2000};
    add_proc(w, PROC_CLOUD, 0, 0);
    for (int z = 0; z < w->zones; z++) {
        _cleanup_free_ char *zone = xasprintf("z%c", 'a' + z);
        struct cloud_zone row = {.id = id_of(zone)};
        array_push(&w->disk.zones, row);
        for (uint64_t k = 0; k < 1 + rnd_below(w, 2); k++)
            add_proc(w, PROC_CLUSTER, z, 0);
        for (int n = 0; n < w->nodes; n++) {
            _cleanup_free_ char *name = xasprintf("n-%c%d", 'a' + z, n);
            struct host *h = &w->hosts[z][n];
            h->self.node = id_of(name);
            h->self.zone = id_of(zone);
            h->libvirt_up = true;
            h->boot_now = 1;
            add_proc(w, PROC_NODE, z, n);
        }
    }
    array_each(&w->procs, p)
        proc_start(w, *p);
}

static void strike_process(struct world *w)
{
    struct proc *p = w->procs.data[rnd_below(w, w->procs.len)];
    if (!p->up || p->paused)
        return;
    switch (rnd_below(w, 4)) {
    case 0:
        proc_crash(w, p);
        break;
    case 1:
        p->paused = true;
        p->paused_at = w->now;
        p->resume_at = w->now + 500 + (int64_t)rnd_below(w, chance(w, 0.2) ? 90000 : 15000);
        w->struck[FAULT_PAUSE]++;
        break;
    default:
        w->struck[FAULT_DISCONNECT]++;
        broker_disconnect(w, p);
        break;
    }
}

static void strike(struct world *w)
{
    int z = (int)rnd_below(w, (uint64_t)w->zones), n = (int)rnd_below(w, (uint64_t)w->nodes);
    switch (rnd_below(w, 14)) {
    case 0:
        if (w->broker_up) {
            bool wipe = chance(w, 0.4);
            w->struck[wipe ? FAULT_BROKER_WIPE : FAULT_BROKER_CRASH]++;
            broker_crash(w, wipe);
        }
        break;
    case 1:
        w->struck[FAULT_POWER_CUT]++;
        host_power_cut(w, z, n);
        break;
    case 2:
    case 3:
        w->struck[FAULT_LIBVIRT]++;
        host_libvirt_down(w, z, n);
        break;
    case 4:
        w->struck[FAULT_DESTROY] += host_domain_ends(w, z, n);
        break;
    case 5:
        host_foreign(w, z, n);
        break;
    case 6:
        cloud_back_up(w);
        break;
    case 7:
        if (chance(w, 0.3))
            w->struck[FAULT_RESTORE] += cloud_restore(w, w->procs.data[0]);
        break;
    default:
        strike_process(w);
        break;
    }
}

static void revive(struct world *w)
{
    array_each(&w->procs, it) {
        struct proc *p = *it;
        if (!p->up && w->now >= p->start_at)
            proc_start(w, p);
        if (p->up && p->paused && w->now >= p->resume_at)
            p->paused = false;
    }
    broker_connect_all(w);
    host_tick(w);
}

static void call_api(struct world *w)
{
    struct proc *cloud = w->procs.data[0];
    if (!cloud->up || cloud->paused)
        return;
    switch (rnd_below(w, 8)) {
    case 0:
        sim_share(w, cloud);
        break;
    case 1:
        sim_operate(w, cloud);
        break;
    case 2:
    case 3:
    case 4:
        sim_terminate(w, cloud);
        break;
    default:
        sim_run_instances(w, cloud);
        break;
    }
}

static void tick_due(struct world *w)
{
    array_each(&w->procs, it) {
        struct proc *p = *it;
        if (p->up && !p->paused && w->now - p->last_tick >= w->timing.tick)
            proc_tick(w, p);
    }
}

static void one_step(struct world *w)
{
    w->step++;
    w->now += (int64_t)rnd_below(w, 120);
    revive(w);
    tick_due(w);
    uint64_t what = rnd_below(w, 100);
    if (w->faults_on && what < 2)
        strike(w);
    else if (w->faults_on && what < 6)
        call_api(w);
    else if (what < 60)
        broker_deliver(w);
    else if (what < 80)
        broker_confirm(w);
    else
        host_finish_job(w);
    /* what is quick in life is quick here: a few more happenings in the same moment */
    for (uint64_t k = rnd_below(w, 16); k > 0; k--) {
        uint64_t more = rnd_below(w, 3);
        if (more == 0)
            broker_deliver(w);
        else if (more == 1)
            broker_confirm(w);
        else
            host_finish_job(w);
    }
    law_foreign(w);
}

static void heal(struct world *w)
{
    w->faults_on = false;
    array_each(&w->procs, it) {
        struct proc *p = *it;
        if (p->up && p->paused)
            p->resume_at = w->now;
    }
}

#define SETTLE_MS 150000

static int64_t settle(struct world *w)
{
    int64_t from = w->now;
    _cleanup_str_ struct str why = STR_INIT;
    do {
        for (int k = 0; k < 50; k++)
            one_step(w);
        str_clear(&why);
        if (law_settled(w, &why))
            return w->now - from;
    } while (w->now - from < SETTLE_MS);
    broken(w, "not settled %d s after the last fault: %s", SETTLE_MS / 1000, str_text(&why));
}

static void world_free(struct world *w)
{
    array_each(&w->procs, it) {
        struct proc *p = *it;
        if (p->up)
            proc_crash(w, p);
        array_free(&p->confirms);
        array_free(&p->jobs);
        free(p);
    }
    array_each(&w->queues, q) {
        array_each(&(*q)->items, item)
            message_free(&item->message);
        array_free(&(*q)->items);
        free(*q);
    }
    for (int z = 0; z < ZONES_MAX; z++) {
        for (int n = 0; n < NODES_MAX; n++) {
            array_free(&w->hosts[z][n].domains);
            array_free(&w->hosts[z][n].disks);
            array_free(&w->hosts[z][n].records);
            array_free(&w->hosts[z][n].shared);
            array_free(&w->hosts[z][n].operations);
            array_free(&w->hosts[z][n].late);
        }
    }
    array_free(&w->procs);
    array_free(&w->queues);
    array_free(&w->disk.instances);
    array_free(&w->disk.reservations);
    array_free(&w->disk.zones);
    array_free(&w->disk.nodes);
    array_free(&w->disk.outbox);
    array_free(&w->disk.shared);
    array_free(&w->disk.operations);
    array_each(&w->texts, text)
        free(*text);
    array_free(&w->texts);
    array_free(&w->operated);
    array_free(&w->backup.instances);
    array_free(&w->backup.reservations);
    array_free(&w->backup.zones);
    array_free(&w->backup.nodes);
    array_free(&w->backup.outbox);
    array_free(&w->backup.shared);
    array_free(&w->backup.operations);
    array_free(&w->lazy);
    array_free(&w->promises);
}

struct totals {
    struct life_counts counts;
    uint64_t struck[FAULTS], steps, instances;
    int64_t slowest;
};

static void run_seed(uint64_t seed, uint64_t steps, bool verbose, struct totals *t)
{
    struct world w = {.seed = seed, .random = seed * 0x2545f4914f6cdd1du, .counts = &t->counts,
                      .struck = t->struck, .faults_on = true, .verbose = verbose};
    build(&w);
    while (w.step < steps)
        one_step(&w);
    heal(&w);
    int64_t took = settle(&w);
    if (took > t->slowest)
        t->slowest = took;
    law_end(&w);
    t->steps += w.step;
    t->instances += w.promises.len;
    uint64_t crashes = t->struck[FAULT_CRASH];
    world_free(&w);
    t->struck[FAULT_CRASH] = crashes;
}

static int report_edges(const struct life_cycle *cycle, const uint64_t *counts)
{
    int missing = 0;
    for (size_t k = 0; k < cycle->count; k++) {
        printf("  %-20s %-13s -> %-13s %10ju\n", cycle->name, cycle->states[cycle->edges[k].from],
               cycle->states[cycle->edges[k].to], (uintmax_t)counts[k]);
        missing += counts[k] == 0;
    }
    return missing;
}

static uint64_t number(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int k = 1; k + 1 < argc; k++) {
        if (streq(argv[k], name))
            return strtoull(argv[k + 1], NULL, 10);
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    uint64_t seeds = number(argc, argv, "--seeds", 100), first = number(argc, argv, "--first", 1);
    uint64_t steps = number(argc, argv, "--steps", 2000), edges = number(argc, argv, "--edges", 1);
    static struct totals t;
    int64_t from = clock_mono_ms();
    for (uint64_t seed = first; seed < first + seeds; seed++)
        run_seed(seed, steps, number(argc, argv, "--trace", 0) != 0, &t);
    double minutes = (double)(clock_mono_ms() - from) / 60000.0;
    printf("%ju seeds, %ju steps (%.0f a minute), %ju instances, slowest to settle %.1f s of its time\n",
           (uintmax_t)seeds, (uintmax_t)t.steps, (double)t.steps / (minutes > 0 ? minutes : 1e-9),
           (uintmax_t)t.instances, (double)t.slowest / 1000.0);
    printf("faults that struck:\n");
    for (int k = 0; k < FAULTS; k++)
        printf("  %-20s %10ju\n", fault_names[k], (uintmax_t)t.struck[k]);
    printf("edges taken:\n");
    int missing = report_edges(&LIFE_INSTANCE, t.counts.instance) + report_edges(&LIFE_OUTBOX, t.counts.outbox) +
                  report_edges(&LIFE_CLUSTER, t.counts.cluster) + report_edges(&LIFE_NODE, t.counts.node);
    if (edges && missing) {
        printf("%d edges were never taken\n", missing);
        return 1;
    }
    return 0;
}
