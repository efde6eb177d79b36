/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/grants.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/crypto/digest.h"
#include "common/json/json.h"
#include "core/image/grant.h"

#define BODY_MAX (1u << 20)

struct error *grants_enrol(struct db_tx *tx, const struct message *m)
{
    unsigned char key[WRAP_KEY_SIZE], known[WRAP_KEY_SIZE];
    if (!m->body || id_none(&m->node))
        return NULL;
    struct error *e = strlen(m->body) == 2 * sizeof key ? hex_decode(m->body, key, sizeof key)
                                                        : error_new(ERROR_INVALID, "of %zu digits", strlen(m->body));
    if (e) {
        log_failure(LOG_WARNING, e, "a node's key");
        return NULL;
    }
    e = store_node_key_get(tx, m->node.text, known);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_free(e);
        log_info("node %s enrolled its key", m->node.text);
        return store_node_key_put(tx, m->node.text, key);
    }
    if (!e && !secret_equal(key, known, sizeof key))
        log_warning("node %s tells another key than it enrolled with: it is not taken", m->node.text);
    return e;
}

static struct error *wrap_key(struct db_tx *tx, const struct keys *keys, const struct message *m,
                              const struct store_image *image, char **ret)
{
    unsigned char public[WRAP_KEY_SIZE], key[SEAL_KEY_SIZE];
    struct image_grant g = {image->id, m->id.text, m->node.text};
    RETURN_IF_ERROR(store_node_key_get(tx, m->node.text, public));
    RETURN_IF_ERROR(keys_image_open(keys, image, key));
    struct error *e = image_grant_seal(&g, public, key, ret);
    wipe(key, sizeof key);
    return e;
}

static struct error *fill(struct db_tx *tx, const struct keys *keys, struct message *m)
{
    _cleanup_(json_decrefp) json_t *body = NULL;
    struct store_image image = {0};
    const char *id;
    RETURN_IF_ERROR(json_parse_object(m->body, strlen(m->body), BODY_MAX, &body));
    RETURN_IF_ERROR(json_need_string(body, "image", &id));
    RETURN_IF_ERROR(store_image_find(tx, id, &image));
    _cleanup_free_ char *grant = NULL;
    struct error *e = wrap_key(tx, keys, m, &image, &grant);
    store_image_free(&image);
    RETURN_IF_ERROR(e);
    json_set_string(body, "grant", grant);
    free(m->body);
    m->body = json_text(body);
    return NULL;
}

void grants_fill(struct db_tx *tx, const struct keys *keys, struct message *m)
{
    if (m->type != MESSAGE_OBJECT || m->kind != KIND_INSTANCE || !m->present || !m->body || id_none(&m->node))
        return;
    log_failure(LOG_WARNING, error_wrap(fill(tx, keys, m), "granting the image of %s", m->id.text), "grant");
}
