/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/json/json.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define DEPTH_MAX 32

static bool too_deep(const char *text, size_t len)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

struct error *json_parse_object(const char *text, size_t len, size_t max, json_t **ret)
{
    if (len > max)
        return error_new(ERROR_TOO_LARGE, "JSON of %zu bytes, at most %zu are taken", len, max);
    if (too_deep(text, len))
        return error_new(ERROR_INVALID, "JSON nested deeper than %d", DEPTH_MAX);
    json_error_t err;
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &err);
    if (!o)
        return error_new(ERROR_INVALID, "JSON: %s at byte %d", err.text, err.position);
    if (!json_is_object(o)) {
        json_decref(o);
        return error_new(ERROR_INVALID, "JSON: expected an object");
    }
    *ret = o;
    return NULL;
}

char *json_text(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    if (!text)
        abort();
    return text;
}

struct error *json_need_string(const json_t *o, const char *key, const char **ret)
{
    const char *text = json_string_value(json_object_get(o, key));
    if (!text)
        return error_new(ERROR_INVALID, "'%s' must be a string", key);
    *ret = text;
    return NULL;
}

struct error *json_need_u64(const json_t *o, const char *key, uint64_t *ret)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return error_new(ERROR_INVALID, "'%s' must be a whole number", key);
    *ret = (uint64_t)json_integer_value(v);
    return NULL;
}

struct error *json_need_id(const json_t *o, const char *key, struct id *ret)
{
    const char *text = NULL;
    RETURN_IF_ERROR(json_need_string(o, key, &text));
    if (!id_parse(text, ret))
        return error_new(ERROR_INVALID, "'%s' must be an id", key);
    return NULL;
}

struct error *json_need_array(const json_t *o, const char *key, json_t **ret)
{
    json_t *v = json_object_get(o, key);
    if (!json_is_array(v))
        return error_new(ERROR_INVALID, "'%s' must be a list", key);
    *ret = v;
    return NULL;
}

const char *json_get_string(const json_t *o, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : otherwise;
}

uint64_t json_get_u64(const json_t *o, const char *key, uint64_t otherwise)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v) : otherwise;
}

bool json_get_bool(const json_t *o, const char *key, bool otherwise)
{
    const json_t *v = json_object_get(o, key);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

void json_set(json_t *o, const char *key, json_t *take)
{
    if (!take || json_object_set_new(o, key, take) < 0)
        abort();
}

void json_set_string(json_t *o, const char *key, const char *value)
{
    json_set(o, key, value ? json_string(value) : json_null());
}

void json_set_u64(json_t *o, const char *key, uint64_t value)
{
    json_set(o, key, json_integer((json_int_t)value));
}

void json_set_bool(json_t *o, const char *key, bool value)
{
    json_set(o, key, json_boolean(value));
}

void json_push(json_t *array, json_t *take)
{
    if (!take || json_array_append_new(array, take) < 0)
        abort();
}
