/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/shape.h"

size_t api_element_size(const struct api_field *f)
{
    return f->type == API_SHAPE ? f->shape->size : sizeof(char *);
}

void *api_list_add(struct api_list *list, size_t size)
{
    if (list->len == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 8;
        list->data = xreallocarray(list->data, list->cap, size);
    }
    void *at = (char *)list->data + list->len++ * size;
    memset(at, 0, size);
    return at;
}

static void free_list(const struct api_field *f, struct api_list *list)
{
    size_t size = api_element_size(f);
    for (size_t i = 0; i < list->len; i++) {
        void *element = (char *)list->data + i * size;
        if (f->type == API_SHAPE)
            shape_free(f->shape, element);
        else
            free(*(char **)element);
    }
    free(list->data);
    *list = (struct api_list){NULL, 0, 0};
}

void shape_free(const struct api_shape *shape, void *value)
{
    for (size_t i = 0; i < shape->len; i++) {
        const struct api_field *f = &shape->fields[i];
        void *at = api_at(f, value);
        if (f->list) {
            free_list(f, at);
        } else if (f->type == API_STRING) {
            char *text = *(char **)at;
            if (text && f->secret)
                wipe(text, strlen(text));
            free(text);
            *(char **)at = NULL;
        } else if (f->type == API_SHAPE && *(void **)at) {
            shape_free(f->shape, *(void **)at);
            free(*(void **)at);
            *(void **)at = NULL;
        }
    }
}

bool shape_is_secret(const struct api_shape *shape)
{
    for (size_t i = 0; i < shape->len; i++) {
        if (shape->fields[i].secret || (shape->fields[i].shape && shape_is_secret(shape->fields[i].shape)))
            return true;
    }
    return false;
}
