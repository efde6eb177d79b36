/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/message-json.h"
#include "common/base/str.h"
#include "common/json/json.h"

static const char *const result_names[] = {"ok", "no-room", "failed"};
static const char *const observed_names[] = {"nothing", "step",   "running", "ended",
                                             "shut-down", "failed", "unowned"};
static const char *const verdict_names[] = {"start", "absent", "unknown"};

static void set_id(json_t *o, const char *key, const struct id *id)
{
    if (!id_none(id))
        json_set_string(o, key, id->text);
}

static void set_u64(json_t *o, const char *key, uint64_t value)
{
    if (value)
        json_set_u64(o, key, value);
}

static void set_size(json_t *o, const struct size *s)
{
    set_u64(o, "vcpus", s->vcpus);
    set_u64(o, "memory_mib", s->memory_mib);
    set_u64(o, "disk_gib", s->disk_gib);
}

static json_t *item_json(const struct message_item *item)
{
    json_t *o = json_object();
    if (item->kind)
        json_set_string(o, "kind", object_kind_name(item->kind));
    set_id(o, "id", &item->id);
    set_id(o, "node", &item->node);
    set_u64(o, "generation", item->generation);
    if (item->present)
        json_set_bool(o, "present", true);
    if (item->observed)
        json_set_string(o, "observed", observed_names[item->observed]);
    if (item->verdict)
        json_set_string(o, "verdict", verdict_names[item->verdict]);
    set_size(o, &item->size);
    set_id(o, "subnet", &item->place.subnet);
    set_id(o, "address", &item->place.address);
    set_id(o, "public_address", &item->place.public_address);
    return o;
}

static json_t *slot_json(const struct message_slots *slot)
{
    json_t *o = json_object();
    set_id(o, "type", &slot->type);
    set_u64(o, "free", slot->free);
    set_size(o, &slot->size);
    return o;
}

static void set_lists(json_t *o, const struct message *m)
{
    if (m->items.len) {
        json_t *list = json_array();
        array_each(&m->items, item)
            json_push(list, item_json(item));
        json_set(o, "items", list);
    }
    if (m->slots.len) {
        json_t *list = json_array();
        array_each(&m->slots, slot)
            json_push(list, slot_json(slot));
        json_set(o, "slots", list);
    }
}

static void set_ids(json_t *o, const struct message *m)
{
    set_id(o, "cloud", &m->cloud);
    set_id(o, "zone", &m->zone);
    set_id(o, "node", &m->node);
    set_id(o, "process", &m->process);
    set_id(o, "id", &m->id);
    if (m->request_id[0])
        json_set_string(o, "request_id", m->request_id);
}

char *message_encode(const struct message *m, const char *sent_at)
{
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_u64(o, "v", MESSAGE_VERSION);
    json_set_string(o, "type", message_type_name(m->type));
    set_u64(o, "era", m->epoch.era);
    set_u64(o, "epoch", m->epoch.n);
    set_ids(o, m);
    if (m->type == MESSAGE_OBJECT || m->type == MESSAGE_APPLIED)
        json_set_string(o, "kind", object_kind_name(m->kind));
    set_u64(o, "generation", m->generation);
    if (m->present)
        json_set_bool(o, "present", true);
    if (m->result)
        json_set_string(o, "result", result_names[m->result]);
    if (m->observed)
        json_set_string(o, "observed", observed_names[m->observed]);
    set_size(o, &m->size);
    set_u64(o, "run", m->run);
    set_u64(o, "seq", m->seq);
    set_u64(o, "boot", m->boot);
    set_u64(o, "request", m->request);
    set_u64(o, "count", m->count);
    if (m->digest) {
        _cleanup_free_ char *hex = xasprintf("%016jx", (uintmax_t)m->digest);
        json_set_string(o, "digest", hex);
    }
    set_lists(o, m);
    if (m->body)
        json_set_string(o, "body", m->body);
    if (m->text)
        json_set_string(o, "text", m->text);
    if (sent_at)
        json_set_string(o, "sent_at", sent_at);
    return json_text(o);
}

/* Index of the member's text in a list of names; `otherwise` where it is not there. */
static struct error *get_name(const json_t *o, const char *key, const char *const *names, size_t count,
                              int otherwise, int *ret)
{
    const json_t *v = json_object_get(o, key);
    if (!v) {
        *ret = otherwise;
        return NULL;
    }
    const char *text = json_string_value(v);
    for (size_t i = 0; text && i < count; i++) {
        if (streq(text, names[i])) {
            *ret = (int)i;
            return NULL;
        }
    }
    return error_new(ERROR_INVALID, "'%s' is none of its values", key);
}

static struct error *get_id(const json_t *o, const char *key, struct id *ret)
{
    const json_t *v = json_object_get(o, key);
    if (v && !id_parse(json_string_value(v), ret))
        return error_new(ERROR_INVALID, "'%s' must be an id", key);
    return NULL;
}

static struct error *get_number(const json_t *o, const char *key, uint64_t *ret)
{
    const json_t *v = json_object_get(o, key);
    if (!v)
        return NULL;
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return error_new(ERROR_INVALID, "'%s' must be a whole number", key);
    *ret = (uint64_t)json_integer_value(v);
    return NULL;
}

static struct error *get_size(const json_t *o, struct size *ret)
{
    RETURN_IF_ERROR(get_number(o, "vcpus", &ret->vcpus));
    RETURN_IF_ERROR(get_number(o, "memory_mib", &ret->memory_mib));
    return get_number(o, "disk_gib", &ret->disk_gib);
}

static struct error *get_kind(const json_t *o, enum object_kind *ret)
{
    const char *text = json_get_string(o, "kind", object_kind_name(KIND_RESERVATION));
    for (int k = 0; k < KINDS; k++) {
        if (streq(text, object_kind_name((enum object_kind)k))) {
            *ret = (enum object_kind)k;
            return NULL;
        }
    }
    return error_new(ERROR_INVALID, "no object is of kind '%.40s'", text);
}

static struct error *get_place(const json_t *o, struct message_place *ret)
{
    RETURN_IF_ERROR(get_id(o, "subnet", &ret->subnet));
    RETURN_IF_ERROR(get_id(o, "address", &ret->address));
    return get_id(o, "public_address", &ret->public_address);
}

struct message_place message_place_of(const char *body)
{
    _cleanup_(json_decrefp) json_t *o = NULL;
    struct message_place place = {0};
    struct error *e = body ? json_parse_object(body, strlen(body), MESSAGE_BYTES_MAX, &o) : NULL;
    if (!e && o)
        e = get_place(o, &place);
    error_free(e); /* another's body, or none: it says nothing of a place */
    return place;
}

static struct error *get_item(const json_t *o, struct message_item *ret)
{
    int observed, verdict;
    if (!json_is_object(o))
        return error_new(ERROR_INVALID, "'items' must hold objects");
    RETURN_IF_ERROR(get_kind(o, &ret->kind));
    RETURN_IF_ERROR(get_id(o, "id", &ret->id));
    RETURN_IF_ERROR(get_id(o, "node", &ret->node));
    RETURN_IF_ERROR(get_number(o, "generation", &ret->generation));
    ret->present = json_get_bool(o, "present", false);
    RETURN_IF_ERROR(get_name(o, "observed", observed_names, ARRAY_SIZE(observed_names), 0, &observed));
    RETURN_IF_ERROR(get_name(o, "verdict", verdict_names, ARRAY_SIZE(verdict_names), 0, &verdict));
    ret->observed = (enum observation)observed;
    ret->verdict = (enum boot_verdict)verdict;
    RETURN_IF_ERROR(get_place(o, &ret->place));
    return get_size(o, &ret->size);
}

static struct error *get_lists(const json_t *o, struct message *m)
{
    const json_t *items = json_object_get(o, "items"), *slots = json_object_get(o, "slots");
    if ((items && !json_is_array(items)) || (slots && !json_is_array(slots)))
        return error_new(ERROR_INVALID, "'items' and 'slots' must be lists");
    for (size_t i = 0; i < json_array_size(items); i++)
        RETURN_IF_ERROR(get_item(json_array_get(items, i), array_add(&m->items)));
    for (size_t i = 0; i < json_array_size(slots); i++) {
        const json_t *line = json_array_get(slots, i);
        struct message_slots *slot = array_add(&m->slots);
        RETURN_IF_ERROR(get_id(line, "type", &slot->type));
        RETURN_IF_ERROR(get_number(line, "free", &slot->free));
        RETURN_IF_ERROR(get_size(line, &slot->size));
    }
    return NULL;
}

static struct error *get_type(const json_t *o, enum message_type *ret)
{
    const char *text = json_get_string(o, "type", "");
    for (int t = 0; t < MESSAGE_TYPES; t++) {
        if (streq(text, message_type_name((enum message_type)t))) {
            *ret = (enum message_type)t;
            return NULL;
        }
    }
    return error_new(ERROR_INVALID, "no message is of type '%.40s'", text);
}

static struct error *get_numbers(const json_t *o, struct message *m)
{
    const struct {
        const char *key;
        uint64_t *to;
    } numbers[] = {
        {"era", &m->epoch.era}, {"epoch", &m->epoch.n}, {"generation", &m->generation}, {"run", &m->run},
        {"seq", &m->seq},       {"boot", &m->boot},     {"request", &m->request},       {"count", &m->count},
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        RETURN_IF_ERROR(get_number(o, numbers[i].key, numbers[i].to));
    const char *digest = json_get_string(o, "digest", NULL);
    unsigned char bytes[8] = {0};
    if (digest)
        RETURN_IF_ERROR(hex_decode(digest, bytes, sizeof bytes));
    for (size_t i = 0; i < sizeof bytes; i++)
        m->digest = m->digest << 8 | bytes[i];
    return get_size(o, &m->size);
}

static struct error *fill(const json_t *o, struct message *m)
{
    int result, observed;
    if (json_get_u64(o, "v", 0) != MESSAGE_VERSION)
        return error_new(ERROR_INVALID, "message version %ju, this is %d", (uintmax_t)json_get_u64(o, "v", 0),
                         MESSAGE_VERSION);
    RETURN_IF_ERROR(get_type(o, &m->type));
    RETURN_IF_ERROR(get_id(o, "cloud", &m->cloud));
    RETURN_IF_ERROR(get_id(o, "zone", &m->zone));
    RETURN_IF_ERROR(get_id(o, "node", &m->node));
    RETURN_IF_ERROR(get_id(o, "process", &m->process));
    RETURN_IF_ERROR(get_id(o, "id", &m->id));
    RETURN_IF_ERROR(get_kind(o, &m->kind));
    RETURN_IF_ERROR(get_name(o, "result", result_names, ARRAY_SIZE(result_names), 0, &result));
    RETURN_IF_ERROR(get_name(o, "observed", observed_names, ARRAY_SIZE(observed_names), 0, &observed));
    m->result = (enum applied_result)result;
    m->observed = (enum observation)observed;
    m->present = json_get_bool(o, "present", false);
    const char *request = json_get_string(o, "request_id", "");
    if (strlen(request) >= sizeof m->request_id)
        return error_new(ERROR_INVALID, "'request_id' is too long");
    memcpy(m->request_id, request, strlen(request));
    RETURN_IF_ERROR(get_numbers(o, m));
    RETURN_IF_ERROR(get_lists(o, m));
    m->body = xstrdup(json_get_string(o, "body", NULL));
    m->text = xstrdup(json_get_string(o, "text", NULL));
    return NULL;
}

struct error *message_decode(const char *text, size_t len, struct message *ret)
{
    _cleanup_(json_decrefp) json_t *o = NULL;
    RETURN_IF_ERROR(json_parse_object(text, len, MESSAGE_BYTES_MAX, &o));
    struct message m = {0};
    struct error *e = fill(o, &m);
    if (e) {
        message_free(&m);
        return error_wrap(e, "message");
    }
    *ret = m;
    return NULL;
}
