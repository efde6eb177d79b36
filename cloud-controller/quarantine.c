/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/quarantine.h"
#include "common/base/clock.h"
#include "common/base/ipv4.h"
#include "common/base/log.h"

static struct error *hold(struct db_tx *tx, const struct message_item *item)
{
    const struct message_place *p = &item->place;
    uint32_t address;
    bool own = true;
    if (ipv4_parse(p->address.text, &address))
        RETURN_IF_ERROR(store_address_hold(tx, p->subnet.text, address, item->id.text, &own));
    if (!own)
        log_warning("%s, which no row names, has the address %s, which is not free in %s", item->id.text, p->address.text,
                    p->subnet.text);
    own = true;
    if (ipv4_parse(p->public_address.text, &address))
        RETURN_IF_ERROR(store_public_address_hold(tx, address, p->subnet.text, item->id.text, &own));
    if (!own)
        log_warning("%s, which no row names, has the public address %s, which is not free", item->id.text,
                    p->public_address.text);
    return NULL;
}

static struct error *release(struct db_tx *tx, const struct id *instance)
{
    RETURN_IF_ERROR(store_address_release(tx, instance->text, clock_wall_ms()));
    return store_public_address_release(tx, instance->text, clock_wall_ms());
}

static struct error *hold_all(struct db_tx *tx, const struct cloud_model *c, const struct message *m)
{
    const struct cloud_node *n = cloud_find_node(c, m->node.text);
    if (!n || n->fenced || m->run < n->run)
        return NULL;
    array_each(&m->items, item) {
        if (item->kind == KIND_INSTANCE && !cloud_find_instance(c, item->id.text))
            RETURN_IF_ERROR(hold(tx, item));
    }
    return NULL;
}

struct error *quarantine_hear(struct db_tx *tx, const struct cloud_model *c, const struct message *m)
{
    if (m->type == MESSAGE_INVENTORY)
        return hold_all(tx, c, m);
    bool gone = m->type == MESSAGE_APPLIED && m->kind == KIND_INSTANCE && !m->present;
    return gone && !cloud_find_instance(c, m->id.text) ? release(tx, &m->id) : NULL;
}

struct error *quarantine_fenced(struct db_tx *tx, const struct cloud_node *n)
{
    array_each(&n->quarantined, id)
        RETURN_IF_ERROR(release(tx, id));
    return NULL;
}
