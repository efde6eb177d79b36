/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/guests.h"
#include <pthread.h>
#include "common/base/map.h"
#include "common/base/str.h"
#include "common/json/json.h"

#define BODY_MAX (1u << 20)

struct guest {
    struct id instance;
    char *body;
    char *place; /* "vpc/address"; NULL: none */
    struct id image;
};

struct guests {
    pthread_mutex_t lock;
    struct map *by_id;    /* owns */
    struct map *by_place; /* borrows */
};

static void guest_free(void *arg)
{
    struct guest *one = arg;
    free(one->body);
    free(one->place);
    free(one);
}

struct guests *guests_new(void)
{
    struct guests *g = xnew0(struct guests);
    pthread_mutex_init(&g->lock, NULL);
    g->by_id = map_new();
    g->by_place = map_new();
    return g;
}

void guests_free(struct guests *g)
{
    if (!g)
        return;
    map_free(g->by_place, NULL);
    map_free(g->by_id, guest_free);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static void read_body(struct guest *one)
{
    _cleanup_(json_decrefp) json_t *o = NULL;
    struct error *e = json_parse_object(one->body, strlen(one->body), BODY_MAX, &o);
    const char *vpc = e ? NULL : json_get_string(o, "vpc", NULL);
    const char *address = e ? NULL : json_get_string(o, "address", NULL);
    if (!e)
        id_parse(json_get_string(o, "image", ""), &one->image);
    error_free(e);
    one->place = vpc && address ? xasprintf("%s/%s", vpc, address) : NULL;
}

/* With the lock held. */
static void drop(struct guests *g, const struct id *instance)
{
    struct guest *old = map_take(g->by_id, instance->text);
    if (!old)
        return;
    if (old->place && map_get(g->by_place, old->place) == old)
        map_take(g->by_place, old->place);
    guest_free(old);
}

void guests_put(struct guests *g, const struct id *instance, const char *body)
{
    struct guest *one = xnew0(struct guest);
    one->instance = *instance;
    one->body = xstrdup(body ? body : "{}");
    read_body(one);
    pthread_mutex_lock(&g->lock);
    drop(g, instance);
    map_set(g->by_id, instance->text, one);
    if (one->place)
        map_set(g->by_place, one->place, one);
    pthread_mutex_unlock(&g->lock);
}

void guests_drop(struct guests *g, const struct id *instance)
{
    pthread_mutex_lock(&g->lock);
    drop(g, instance);
    pthread_mutex_unlock(&g->lock);
}

char *guests_find(struct guests *g, const struct id *vpc, const char *address, struct id *ret_instance)
{
    _cleanup_free_ char *place = xasprintf("%s/%s", vpc->text, address);
    pthread_mutex_lock(&g->lock);
    const struct guest *one = map_get(g->by_place, place);
    char *body = one ? xstrdup(one->body) : NULL;
    if (one)
        *ret_instance = one->instance;
    pthread_mutex_unlock(&g->lock);
    return body;
}

void guests_all(struct guests *g, guest_copies *ret)
{
    struct map_cursor at = {0};
    const char *id;
    void *value;
    pthread_mutex_lock(&g->lock);
    while (map_next(g->by_id, &at, &id, &value)) {
        const struct guest *one = value;
        array_push(ret, ((struct guest_copy){one->instance, xstrdup(one->body)}));
    }
    pthread_mutex_unlock(&g->lock);
}

void guests_images(struct guests *g, image_ids *add)
{
    struct map_cursor at = {0};
    const char *id;
    void *value;
    pthread_mutex_lock(&g->lock);
    while (map_next(g->by_id, &at, &id, &value)) {
        const struct guest *one = value;
        if (!id_none(&one->image))
            array_push(add, one->image);
    }
    pthread_mutex_unlock(&g->lock);
}
