/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/service.h"
#include <pthread.h>
#include "common/base/array.h"
#include "common/base/log.h"
#include "common/status/status.h"
#include "image-service/collector.h"
#include "image-service/jobs.h"

struct service {
    struct daemon *daemon;
    struct jobs jobs;
    struct collector collector;
    struct status_server *status;
    pthread_t thread, collecting;
    bool running, collects;
};

static void *run(void *arg)
{
    jobs_run(arg);
    return NULL;
}

static void *collect(void *arg)
{
    collector_run(arg);
    return NULL;
}

static bool healthy(void *arg)
{
    struct jobs *j = arg;
    return atomic_load(&j->reached);
}

static void stop(void *state)
{
    struct service *s = state;
    atomic_store(&s->jobs.stop, true);
    atomic_store(&s->collector.stop, true);
    status_stop(s->status);
    if (s->running)
        pthread_join(s->thread, NULL);
    if (s->collects)
        pthread_join(s->collecting, NULL);
    metrics_remove(daemon_metrics(s->daemon), &s->jobs);
    metrics_remove(daemon_metrics(s->daemon), &s->collector);
    collector_close(&s->collector);
    jobs_close(&s->jobs);
    free(s);
}

static struct error *open_all(struct service *s, const struct service_config *config)
{
    RETURN_IF_ERROR(jobs_open(&s->jobs, config));
    metrics_register(daemon_metrics(s->daemon), jobs_metric_rows, jobs_metric_rows_len, &s->jobs, NULL);
    RETURN_IF_ERROR(collector_open(&s->collector, &s->jobs));
    metrics_register(daemon_metrics(s->daemon), collector_metric_rows, collector_metric_rows_len, &s->collector, NULL);
    RETURN_IF_ERROR(status_start(config->listen, daemon_metrics(s->daemon), healthy, &s->jobs, &s->status));
    int rc = pthread_create(&s->thread, NULL, run, &s->jobs);
    if (rc)
        return error_errno(rc, "starting the thread of the jobs");
    s->running = true;
    rc = pthread_create(&s->collecting, NULL, collect, &s->collector);
    if (rc)
        return error_errno(rc, "starting the thread that collects");
    s->collects = true;
    log_info("asks %s for jobs", config->cloud_url);
    return NULL;
}

static struct error *start(struct daemon *d, const void *config, void **ret_state)
{
    struct service *s = xnew0(struct service);
    s->daemon = d;
    struct error *e = open_all(s, config);
    if (e) {
        stop(s);
        return e;
    }
    *ret_state = s;
    return NULL;
}

#define AT(member) .offset = offsetof(struct service_config, member)
/* clang-format off */
static const struct config_key keys[] = {
    DAEMON_KEYS(struct service_config, daemon),
    {.name = "listen", .type = CONFIG_ADDRESS, AT(listen), .value = "127.0.0.1:8776", .required = true,
     .doc = "Where /healthz and /metrics answer."},
    {.name = "state-dir", .type = CONFIG_PATH, AT(state_dir), .value = "/var/lib/mallee/image-service",
     .required = true, .doc = "The service's own key. An empty folder is a new service."},
    {.name = "cloud-url", .type = CONFIG_STRING, AT(cloud_url), .value = "http://127.0.0.1:8773", .required = true,
     .doc = "The Cloud Controller, which is asked for jobs."},
    {.name = "store-url", .type = CONFIG_STRING, AT(store_url), .value = "http://127.0.0.1:8775", .required = true,
     .doc = "The object store, where images go."},
    {.name = "region", .type = CONFIG_STRING, AT(region), .value = "us-east-1", .required = true,
     .doc = "The region's name, which requests are signed with."},
    {.name = "credentials-file", .type = CONFIG_PATH, AT(credentials_file),
     .value = "/var/lib/mallee/image-service/credentials", .required = true,
     .doc = "The service's keys, as the Cloud Controller's system-credentials-dir has them."},
    {.name = "ca-file", .type = CONFIG_PATH, AT(ca_file),
     .doc = "Who may sign the others' certificates, PEM; the system's where it is unset."},
    {.name = "max-disk", .type = CONFIG_U64, AT(max_disk), .value = "256GiB", .required = true, .min = 512,
     .max = 1ull << 40, .doc = "The largest disk that is taken."},
    {.name = "poll", .type = CONFIG_DURATION, AT(poll_ms), .value = "2s", .required = true, .min = 100,
     .max = 60000, .doc = "How long to wait where there is no job."},
    {.name = "garbage-delay", .type = CONFIG_DURATION, AT(garbage_delay_ms), .value = "24h", .required = true,
     .min = 1000, .max = 30ull * 24 * 3600 * 1000, .doc = "How old a chunk must be that no image names before it is removed."},
};
/* clang-format on */

static const struct config_program program = {
    .name = "mallee-image-service",
    .summary = "turns uploaded disks into encrypted images",
    .keys = keys,
    .len = ARRAY_SIZE(keys),
};

const struct daemon_ops service_daemon = {
    .config = &program, .config_size = sizeof(struct service_config), .start = start, .stop = stop};
