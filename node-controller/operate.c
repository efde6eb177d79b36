/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/operate.h"
#include <pthread.h>
#include <time.h>
#include "common/base/str.h"
#include "common/crypto/base64.h"
#include "common/json/json.h"
#include "node-controller/console.h"

#define CONSOLE_BYTES 65536

struct waiting {
    struct id instance;
    bool rebooted;
};

struct operator {
    struct hypervisor *hypervisor;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    ARRAY(struct waiting *) waiting;
    bool stop;
};

struct operator *operator_new(struct hypervisor *h)
{
    struct operator *o = xnew0(struct operator);
    pthread_condattr_t monotonic;
    o->hypervisor = h;
    pthread_mutex_init(&o->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&o->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return o;
}

void operator_interrupt(struct operator *o)
{
    pthread_mutex_lock(&o->lock);
    o->stop = true;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

void operator_free(struct operator *o)
{
    if (!o)
        return;
    array_free(&o->waiting);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->changed);
    free(o);
}

void operator_rebooted(struct operator *o, const struct id *instance)
{
    pthread_mutex_lock(&o->lock);
    array_each(&o->waiting, w)
        (*w)->rebooted |= id_eq(&(*w)->instance, instance);
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

static void wait_begin(struct operator *o, struct waiting *w)
{
    pthread_mutex_lock(&o->lock);
    array_push(&o->waiting, w);
    pthread_mutex_unlock(&o->lock);
}

/* True where the guest began anew within `ms`, or nobody may wait any longer. */
static bool wait_end(struct operator *o, struct waiting *w, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    pthread_mutex_lock(&o->lock);
    while (!w->rebooted && !o->stop && pthread_cond_timedwait(&o->changed, &o->lock, &until) == 0)
        continue;
    for (size_t k = 0; k < o->waiting.len; k++) {
        if (o->waiting.data[k] == w) {
            array_remove_swap(&o->waiting, k);
            break;
        }
    }
    bool over = w->rebooted || o->stop;
    pthread_mutex_unlock(&o->lock);
    return over;
}

static struct error *reboot(struct operator *o, const struct operate_request *r)
{
    struct waiting w = {.instance = r->instance};
    wait_begin(o, &w);
    struct error *e = hypervisor_reboot(o->hypervisor, &r->instance, &r->cloud);
    bool over = wait_end(o, &w, e ? 0 : r->patience);
    if (e || over)
        return e;
    return hypervisor_reset(o->hypervisor, &r->instance, &r->cloud);
}

static struct error *console(const struct operate_request *r, char **ret_body)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    RETURN_IF_ERROR(console_tail(r->console, CONSOLE_BYTES, &text, &len));
    _cleanup_free_ char *coded = base64_encode(text, len);
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "output", coded);
    *ret_body = json_text(o);
    return NULL;
}

struct error *operator_run(struct operator *o, const struct operate_request *r, char **ret_body)
{
    if (streq(r->action, "reboot"))
        return reboot(o, r);
    if (streq(r->action, "console"))
        return console(r, ret_body);
    return error_new(ERROR_INVALID, "this node knows no operation '%s'", r->action);
}
