/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/config/internal.h"
#include <inttypes.h>
#include "common/base/array.h"
#include "common/base/mem.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"KiB", UINT64_C(1) << 10}, {"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30}, {"TiB", UINT64_C(1) << 40}};
static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

static void *member(const struct config_key *k, const void *config)
{
    return (char *)(uintptr_t)config + k->offset;
}

static struct error *parse_number(const struct config_key *k, const char *text, const struct unit *units,
                                  size_t n, uint64_t *ret)
{
    uint64_t factor = 1, value;
    size_t digits = strspn(text, "0123456789");
    const char *suffix = text + digits + strspn(text + digits, " ");
    if (*suffix) {
        size_t i = 0;
        while (i < n && !streq(units[i].suffix, suffix))
            i++;
        if (i == n)
            return error_new(ERROR_INVALID, "'%.40s' is not a number with a unit I know", text);
        factor = units[i].factor;
    }
    _cleanup_free_ char *number = xstrndup(text, digits);
    RETURN_IF_ERROR(parse_u64(number, UINT64_MAX / factor, &value));
    value *= factor;
    if ((k->min || k->max) && (value < k->min || value > k->max))
        return error_new(ERROR_INVALID, "%" PRIu64 " is not between %" PRIu64 " and %" PRIu64, value, k->min,
                         k->max);
    *ret = value;
    return NULL;
}

static struct error *parse_bool(const char *text, bool *ret)
{
    if (streq(text, "yes") || streq(text, "true"))
        *ret = true;
    else if (streq(text, "no") || streq(text, "false"))
        *ret = false;
    else
        return error_new(ERROR_INVALID, "'%.40s' is neither yes nor no", text);
    return NULL;
}

struct error *config_address(const char *text, char **ret_host, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return error_new(ERROR_INVALID, "'%.80s' is not HOST:PORT", text);
    const char *from = text;
    size_t len = (size_t)(colon - text);
    if (*from == '[' && from[len - 1] == ']') {
        from++;
        len -= 2;
    } else if (memchr(from, ':', len)) {
        return error_new(ERROR_INVALID, "'%.80s': an IPv6 address wants brackets", text);
    }
    uint64_t port;
    RETURN_IF_ERROR(error_wrap(parse_u64(colon + 1, 65535, &port), "port of '%.80s'", text));
    if (!len)
        return error_new(ERROR_INVALID, "'%.80s' has no host", text);
    *ret_host = xstrndup(from, len);
    *ret_port = (uint16_t)port;
    return NULL;
}

bool config_address_is_loopback(const char *text)
{
    _cleanup_free_ char *host = NULL;
    uint16_t port;
    struct error *e = config_address(text, &host, &port);
    if (e) {
        error_ignore(e);
        return false;
    }
    if (streq(host, "::1") || streq(host, "localhost"))
        return true;
    return str_starts(host, "127.") && strspn(host, "0123456789.") == strlen(host);
}

static void list_clear(struct config_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct config_list){NULL, 0};
}

static void list_set(struct config_list *l, const char *text)
{
    list_clear(l);
    for (;;) {
        text += strspn(text, " \t");
        size_t len = strcspn(text, ",");
        size_t trimmed = len;
        while (trimmed && (text[trimmed - 1] == ' ' || text[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed) {
            l->items = xreallocarray(l->items, l->len + 1, sizeof *l->items);
            l->items[l->len++] = xstrndup(text, trimmed);
        }
        if (!text[len])
            return;
        text += len + 1;
    }
}

static void text_set(char **at, const char *text)
{
    free(*at);
    *at = *text ? xstrdup(text) : NULL;
}

static struct error *check_text(const struct config_key *k, const char *text)
{
    if (!*text)
        return NULL;
    if (k->type == CONFIG_PATH && *text != '/')
        return error_new(ERROR_INVALID, "'%.80s' is not an absolute path", text);
    if (k->type == CONFIG_ADDRESS) {
        _cleanup_free_ char *host = NULL;
        uint16_t port;
        return config_address(text, &host, &port);
    }
    return NULL;
}

struct error *config_set(const struct config_key *k, void *config, const char *text)
{
    void *at = member(k, config);
    switch (k->type) {
    case CONFIG_U64:
        return parse_number(k, text, size_units, ARRAY_SIZE(size_units), at);
    case CONFIG_DURATION:
        return parse_number(k, text, time_units, ARRAY_SIZE(time_units), at);
    case CONFIG_BOOL:
        return parse_bool(text, at);
    case CONFIG_LIST:
        list_set(at, text);
        return NULL;
    default:
        RETURN_IF_ERROR(check_text(k, text));
        text_set(at, text);
        return NULL;
    }
}

bool config_is_set(const struct config_key *k, const void *config)
{
    switch (k->type) {
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_ADDRESS:
        return *(char **)member(k, config) != NULL;
    case CONFIG_LIST:
        return ((struct config_list *)member(k, config))->len > 0;
    default:
        return true;
    }
}

void config_free(const struct config_program *p, void *config)
{
    for (const struct config_key *k = p->keys; k < p->keys + p->len; k++) {
        if (k->type == CONFIG_LIST) {
            list_clear(member(k, config));
        } else if (k->type == CONFIG_STRING || k->type == CONFIG_PATH || k->type == CONFIG_ADDRESS) {
            char **at = member(k, config);
            if (*at && k->secret)
                wipe(*at, strlen(*at));
            free(*at);
            *at = NULL;
        }
    }
}
