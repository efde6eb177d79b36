/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/timing.h"
#include "common/base/array.h"
#include "common/base/str.h"

const struct timing TIMING_DEFAULT = {
    .tick = 1000,
    .heartbeat = 5000,
    .node_expired = 20000,
    .placing = 30000,
    .resend = 15000,
    .resend_most = 300000,
    .pending = 600000,
    .shutting_down = 120000,
    .inventory = 600000,
    .listing = 10000,
    .keep_gone = 7LL * 24 * 3600 * 1000,
    .reboot = 30000,
    .job_retry = 2000,
    .images = 60000,
    .images_asked = 3600000,
};

static const struct {
    const char *name;
    size_t offset;
} timing_keys[] = {
#define KEY(text, field) {text, offsetof(struct timing, field)}
    KEY("tick", tick),
    KEY("heartbeat", heartbeat),
    KEY("node-expired", node_expired),
    KEY("placing", placing),
    KEY("resend", resend),
    KEY("resend-most", resend_most),
    KEY("pending", pending),
    KEY("shutting-down", shutting_down),
    KEY("inventory", inventory),
    KEY("listing", listing),
    KEY("keep-gone", keep_gone),
    KEY("reboot", reboot),
    KEY("job-retry", job_retry),
    KEY("images", images),
    KEY("images-asked", images_asked),
#undef KEY
};

int64_t timing_spend(const struct timing *t, int64_t elapsed)
{
    int64_t most = 2 * t->tick;
    return elapsed < 0 ? 0 : elapsed > most ? most : elapsed;
}

static struct error *set_key(struct timing *t, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(timing_keys); i++) {
        if (!streq(name, timing_keys[i].name))
            continue;
        uint64_t ms = 0;
        RETURN_IF_ERROR(error_wrap(parse_u64(value, 1000000000, &ms), "timing '%s'", name));
        if (!ms)
            return error_new(ERROR_INVALID, "timing '%s' must be above 0", name);
        *(int64_t *)((char *)t + timing_keys[i].offset) = (int64_t)ms;
        return NULL;
    }
    return error_new(ERROR_INVALID, "no timing is called '%.40s'", name);
}

struct error *timing_parse(struct timing *t, const char *text)
{
    const char *cursor = text;
    char *piece;
    while ((piece = str_next_piece(&cursor, ','))) {
        _cleanup_free_ char *own = piece;
        char *equals = strchr(own, '=');
        if (!equals)
            return error_new(ERROR_INVALID, "timing '%.40s' lacks '=milliseconds'", own);
        *equals = '\0';
        RETURN_IF_ERROR(set_key(t, own, equals + 1));
    }
    return NULL;
}
