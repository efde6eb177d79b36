/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/shape-json.h"
#include "api/gen/errors.h"
#include "api/query.h"
#include "common/base/clock.h"

static json_t *scalar_json(const struct api_field *f, const void *at)
{
    switch (f->type) {
    case API_STRING:
        return json_string(*(char *const *)at);
    case API_INTEGER:
        return json_integer(*(const int64_t *)at);
    case API_BOOLEAN:
        return json_boolean(*(const bool *)at);
    case API_TIMESTAMP: {
        _cleanup_free_ char *text = clock_iso8601(*(const int64_t *)at);
        return json_string(text);
    }
    case API_SHAPE:
        return shape_to_json(f->shape, *(void *const *)at);
    }
    return json_null();
}

static json_t *list_json(const struct api_field *f, const struct api_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; i < list->len; i++) {
        const void *at = (const char *)list->data + i * api_element_size(f);
        json_push(array, f->type == API_SHAPE ? shape_to_json(f->shape, at) : json_string(*(char *const *)at));
    }
    return array;
}

json_t *shape_to_json(const struct api_shape *shape, const void *value)
{
    json_t *o = json_object();
    for (size_t i = 0; i < shape->len; i++) {
        const struct api_field *f = &shape->fields[i];
        const void *at = api_at_const(f, value);
        bool pointer = !f->list && (f->type == API_STRING || f->type == API_SHAPE);
        if (f->list)
            json_set(o, f->wire, list_json(f, at));
        else if (api_has(f, value) && !(pointer && !*(void *const *)at))
            json_set(o, f->wire, scalar_json(f, at));
    }
    return o;
}

static struct error *bad_type(const struct api_field *f)
{
    return error_new(API_INVALID_PARAMETER_VALUE, "The member %s is of the wrong type", f->wire);
}

static struct error *read_scalar(const struct api_field *f, const json_t *v, void *ret)
{
    if (f->type == API_INTEGER && json_is_integer(v)) {
        _cleanup_free_ char *text = xasprintf("%jd", (intmax_t)json_integer_value(v));
        return scalar_parse(f, f->wire, text, ret);
    }
    if (f->type == API_BOOLEAN && json_is_boolean(v))
        return scalar_parse(f, f->wire, json_is_true(v) ? "true" : "false", ret);
    if ((f->type == API_STRING || f->type == API_TIMESTAMP) && json_is_string(v))
        return scalar_parse(f, f->wire, json_string_value(v), ret);
    return bad_type(f);
}

static struct error *read_field(const struct api_field *f, const json_t *v, void *ret)
{
    void *at = api_at(f, ret);
    if (f->refused)
        return error_new(API_UNSUPPORTED_OPERATION, "The member %s is not supported here", f->wire);
    if (f->list) {
        if (!json_is_array(v))
            return bad_type(f);
        for (size_t i = 0; i < json_array_size(v); i++) {
            const json_t *item = json_array_get(v, i);
            void *element = api_list_add(at, api_element_size(f));
            if (f->type == API_SHAPE)
                RETURN_IF_ERROR(shape_from_json(f->shape, item, element));
            else if (json_is_string(item))
                *(char **)element = xstrdup(json_string_value(item));
            else
                return bad_type(f);
        }
        return NULL;
    }
    if (f->type != API_SHAPE)
        return read_scalar(f, v, ret);
    *(void **)at = xcalloc(1, f->shape->size);
    return shape_from_json(f->shape, v, *(void **)at);
}

struct error *shape_from_json(const struct api_shape *shape, const json_t *o, void *ret)
{
    size_t known = 0;
    if (!json_is_object(o))
        return error_new(API_INVALID_PARAMETER_VALUE, "Expected an object");
    for (size_t i = 0; i < shape->len; i++) {
        const struct api_field *f = &shape->fields[i];
        const json_t *v = json_object_get(o, f->wire);
        known += v != NULL;
        if (v)
            RETURN_IF_ERROR(read_field(f, v, ret));
        else if (f->required)
            return error_new(API_MISSING_PARAMETER, "The request must contain the member %s", f->wire);
    }
    if (known != json_object_size(o))
        return error_new(API_UNKNOWN_PARAMETER, "A member is not recognized");
    return NULL;
}
