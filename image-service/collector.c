/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/collector.h"
#include <unistd.h>
#include "common/base/log.h"
#include "image-service/ask.h"
#include "image-service/collect.h"

#define NAP_MS   100
#define LEAST_MS 500
#define MOST_MS  3600000
#define AGAIN_MS 60000 /* after a round that failed */

const struct metric_row collector_metric_rows[] = {
    {"mallee_image_chunks_collected_total", METRIC_COUNTER, offsetof(struct collector, removed),
     "Chunks removed that no image's manifest named."},
};
const size_t collector_metric_rows_len = ARRAY_SIZE(collector_metric_rows);

static struct error *is_running(void *arg, const struct id *image, bool *ret)
{
    struct collector *c = arg;
    _cleanup_json_ json_t *out = NULL;
    json_t *in = json_object();
    json_set_string(in, "image_id", image->text);
    RETURN_IF_ERROR(ask_cloud(c->cloud, c->public_key, "AskImageJob", in, &out));
    *ret = json_get_bool(out, "may_run", true);
    return NULL;
}

/* Half the delay, so that nothing stays much longer than it must. */
static uint64_t pause_ms(const struct collector *c, bool failed)
{
    uint64_t half = c->config->garbage_delay_ms / 2, most = failed ? AGAIN_MS : MOST_MS;
    return half < LEAST_MS ? LEAST_MS : half > most ? most : half;
}

static void rest(struct collector *c, uint64_t ms)
{
    for (uint64_t waited = 0; waited < ms && !atomic_load(&c->stop); waited += NAP_MS)
        usleep(NAP_MS * 1000);
}

void collector_run(struct collector *c)
{
    struct collection collection = {.store = c->store,
                                    .delay_ms = (int64_t)c->config->garbage_delay_ms,
                                    .running = is_running,
                                    .arg = c,
                                    .stop = &c->stop,
                                    .removed = &c->removed};
    while (!atomic_load(&c->stop)) {
        struct error *e = collect_chunks(&collection);
        bool failed = e != NULL;
        log_failure(LOG_WARNING, e, "collecting chunks");
        rest(c, pause_ms(c, failed));
    }
}

struct error *collector_open(struct collector *c, const struct jobs *jobs)
{
    c->config = jobs->config;
    c->public_key = jobs->public_key;
    return jobs_callers(jobs->config, &c->cloud, &c->store);
}

void collector_close(struct collector *c)
{
    aws_caller_free(c->cloud);
    aws_caller_free(c->store);
}
