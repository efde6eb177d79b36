/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/daemon/metrics.h"
#include <inttypes.h>
#include <pthread.h>
#include "common/base/array.h"
#include "common/base/mem.h"

struct source {
    const struct metric_row *rows;
    size_t len;
    const char *base;
    char *labels;
};

struct filler {
    void (*fill)(void *arg);
    void *arg;
};

struct metrics {
    pthread_mutex_t lock; /* guards all; held while rendering, so fill() must not register */
    ARRAY(struct source) sources;
    ARRAY(struct filler) fillers;
};

struct metrics *metrics_new(void)
{
    struct metrics *m = xnew0(struct metrics);
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    array_each(&m->sources, s)
        free(s->labels);
    array_free(&m->sources);
    array_free(&m->fillers);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void metrics_register(struct metrics *m, const struct metric_row *rows, size_t len, const void *base,
                      const char *labels)
{
    pthread_mutex_lock(&m->lock);
    array_push(&m->sources, ((struct source){rows, len, base, labels ? xstrdup(labels) : NULL}));
    pthread_mutex_unlock(&m->lock);
}

void metrics_remove(struct metrics *m, const void *base)
{
    pthread_mutex_lock(&m->lock);
    for (size_t i = m->sources.len; i-- > 0;) {
        if (m->sources.data[i].base == base) {
            free(m->sources.data[i].labels);
            array_remove(&m->sources, i);
        }
    }
    pthread_mutex_unlock(&m->lock);
}

void metrics_on_render(struct metrics *m, void (*fill)(void *arg), void *arg)
{
    pthread_mutex_lock(&m->lock);
    array_push(&m->fillers, ((struct filler){fill, arg}));
    pthread_mutex_unlock(&m->lock);
}

static void render_head(const struct metric_row *r, struct str *out)
{
    str_printf(out, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->doc, r->name,
               r->kind == METRIC_COUNTER ? "counter" : "gauge");
}

static void render_value(const struct source *s, size_t row, struct str *out)
{
    const metric *value = (const metric *)(const void *)(s->base + s->rows[row].offset);
    str_add(out, s->rows[row].name);
    if (s->labels)
        str_printf(out, "{%s}", s->labels);
    str_printf(out, " %" PRIu64 "\n", metric_get(value));
}

/* True where an earlier source has the same table: its rows were rendered there, as one family each. */
static bool seen_before(const struct metrics *m, const struct source *s)
{
    for (const struct source *o = m->sources.data; o < s; o++)
        if (o->rows == s->rows)
            return true;
    return false;
}

void metrics_render(struct metrics *m, struct str *out)
{
    pthread_mutex_lock(&m->lock);
    array_each(&m->fillers, f)
        f->fill(f->arg);
    array_each(&m->sources, s) {
        if (seen_before(m, s))
            continue;
        for (size_t row = 0; row < s->len; row++) {
            render_head(&s->rows[row], out);
            for (struct source *o = s; o < m->sources.data + m->sources.len; o++)
                if (o->rows == s->rows)
                    render_value(o, row, out);
        }
    }
    pthread_mutex_unlock(&m->lock);
}
