/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/params.h"
#include "api/uri.h"

static struct error *decode(const char *text, size_t len, char **ret, size_t *ret_len)
{
    struct str out = STR_INIT;
    bool ok = uri_decode(&out, text, len, true) && utf8_valid(str_text(&out), out.len);
    if (!ok) {
        str_free(&out);
        return error_new(ERROR_INVALID, "the query string is malformed");
    }
    *ret_len = out.len;
    *ret = str_take(&out);
    return NULL;
}

static struct error *add_pair(struct params *p, const char *text, size_t len)
{
    const char *eq = memchr(text, '=', len);
    size_t name_len = eq ? (size_t)(eq - text) : len;
    if (p->list.len >= PARAMS_MAX)
        return error_new(ERROR_TOO_LARGE, "the request has more than %d parameters", PARAMS_MAX);
    struct param *pair = array_add(&p->list);
    pair->bare = !eq;
    RETURN_IF_ERROR(decode(text, name_len, &pair->name, &pair->name_len));
    return decode(eq ? eq + 1 : "", eq ? len - name_len - 1 : 0, &pair->value, &pair->value_len);
}

struct error *params_parse(struct params *p, const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        const char *end = memchr(text + at, '&', len - at);
        size_t n = end ? (size_t)(end - text) - at : len - at;
        if (n)
            RETURN_IF_ERROR(add_pair(p, text + at, n));
        at += n + 1;
    }
    return NULL;
}

void params_free(struct params *p)
{
    array_each (&p->list, it) {
        free(it->name);
        free(it->value);
    }
    array_free(&p->list);
}

const char *params_get(const struct params *p, const char *name, size_t *ret_count)
{
    const char *found = NULL;
    size_t count = 0;
    array_each (&p->list, it) {
        if (streq(it->name, name)) {
            found = found ? found : it->value;
            count++;
        }
    }
    if (ret_count)
        *ret_count = count;
    return found;
}
