/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/store/store.h"

/* ---- writing ---- */

static const char *text_or_null(const struct id *id)
{
    return id_none(id) ? NULL : id->text;
}

static struct error *write_instance(struct db_tx *tx, const struct cloud_instance *i)
{
    return db_exec(
        tx,
        "INSERT INTO instance (id, reservation, account_id, zone, node, generation, wanted, held, state, vcpus, "
        "memory_mib, disk_gib, obs_run, obs_seq, deadline_left, forget_left, body, reason_code, reason_text, "
        "request_id, uses) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, "
        "?20, ?21) ON CONFLICT (id) DO UPDATE SET node = ?5, generation = ?6, wanted = ?7, held = ?8, state = ?9, "
        "obs_run = ?13, obs_seq = ?14, deadline_left = ?15, forget_left = ?16, reason_code = ?18, "
        "reason_text = ?19, request_id = ?20",
        "tttttuuuuuuuuuiittttt", i->id.text, i->reservation.text, i->account.text, i->zone.text,
        text_or_null(&i->node), i->generation, (uint64_t)i->wanted, (uint64_t)i->held, (uint64_t)i->state,
        i->size.vcpus, i->size.memory_mib, i->size.disk_gib, i->obs_run, i->obs_seq, i->deadline_left,
        i->forget_left, i->body, i->reason_code, i->reason_text, i->request_id, i->uses);
}

static struct error *write_reservation(struct db_tx *tx, const struct cloud_reservation *r)
{
    return db_exec(tx,
                   "INSERT INTO reservation (id, account_id, zone, generation, placing_left, request_id) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                   "ON CONFLICT (id) DO UPDATE SET generation = ?4, placing_left = ?5",
                   "tttuit", r->id.text, r->account.text, r->zone.text, r->generation, r->placing_left,
                   r->request_id);
}

static struct error *write_zone(struct db_tx *tx, const struct cloud_zone *z)
{
    return db_exec(tx, "UPDATE zone SET epoch = ?2, process = ?3, asked = ?4 WHERE id = ?1", "tutu", z->id.text,
                   z->epoch.n, text_or_null(&z->process), z->asked);
}

static struct error *write_node(struct db_tx *tx, const struct cloud_node *n)
{
    return db_exec(tx,
                   "INSERT INTO node (id, zone, boot, fenced, link) VALUES (?1, ?2, ?3, ?4, ?5) "
                   "ON CONFLICT (id) DO UPDATE SET boot = ?3, fenced = ?4, link = ?5",
                   "ttuut", n->id.text, n->zone.text, n->boot, (uint64_t)n->fenced, text_or_null(&n->link));
}

static struct error *write_shared(struct db_tx *tx, const struct cloud_shared *s)
{
    return db_exec(tx,
                   "INSERT INTO shared_object (id, kind, generation, mentions) VALUES (?1, ?2, ?3, ?4) "
                   "ON CONFLICT (id) DO UPDATE SET generation = ?3, mentions = ?4",
                   "tuut", s->id.text, (uint64_t)s->kind, s->generation, s->mentions);
}

static struct error *write_operation(struct db_tx *tx, const struct cloud_operation *o)
{
    return db_exec(tx,
                   "INSERT INTO operation (id, instance_id, node, action, left_ms, request_id) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET left_ms = ?5",
                   "ttttit", o->id.text, o->instance.text, o->node.text, o->action.text, o->left, o->request_id);
}

static struct error *write_outbox(struct db_tx *tx, const struct outbox_row *o)
{
    return db_exec(tx,
                   "INSERT INTO outbox (receiver, kind, id, state, wait, wait_left) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                   "ON CONFLICT (receiver, kind, id) DO UPDATE SET state = ?4, wait = ?5, wait_left = ?6",
                   "tutuii", o->receiver.text, (uint64_t)o->kind, o->id.text, (uint64_t)o->state, o->wait,
                   o->wait_left);
}

static struct error *release_all(struct db_tx *tx, const char *instance, int64_t now)
{
    RETURN_IF_ERROR(store_address_release(tx, instance, now));
    RETURN_IF_ERROR(store_public_address_release(tx, instance, now));
    return store_instance_group_remove_all(tx, instance);
}

static struct error *write_row(struct db_tx *tx, const struct cloud_row *row, int64_t now)
{
    switch (row->kind) {
    case ROW_INSTANCE: {
        const struct cloud_instance *i = (const struct cloud_instance *)row;
        RETURN_IF_ERROR(write_instance(tx, i));
        /* What nothing holds any more gives its addresses back and leaves its groups. */
        bool over = !i->held && !i->wanted;
        return over ? release_all(tx, i->id.text, now) : NULL;
    }
    case ROW_RESERVATION:
        return write_reservation(tx, (const struct cloud_reservation *)row);
    case ROW_ZONE:
        return write_zone(tx, (const struct cloud_zone *)row);
    case ROW_NODE:
        return write_node(tx, (const struct cloud_node *)row);
    case ROW_OUTBOX:
        return write_outbox(tx, (const struct outbox_row *)row);
    case ROW_SHARED:
        return write_shared(tx, (const struct cloud_shared *)row);
    case ROW_OPERATION:
        return write_operation(tx, (const struct cloud_operation *)row);
    }
    return NULL;
}

static struct error *remove_instance(struct db_tx *tx, const char *id)
{
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM tag WHERE resource_id = ?", "t", id));
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM instance_event WHERE instance_id = ?", "t", id));
    RETURN_IF_ERROR(store_instance_group_remove_all(tx, id));
    RETURN_IF_ERROR(db_exec(tx, "DELETE FROM instance_attribute WHERE id = ?", "t", id));
    return db_exec(tx, "DELETE FROM instance WHERE id = ?", "t", id);
}

static struct error *remove_row(struct db_tx *tx, const struct cloud_removed *r)
{
    switch (r->kind) {
    case ROW_OUTBOX:
        return db_exec(tx, "DELETE FROM outbox WHERE receiver = ? AND kind = ? AND id = ?", "tut",
                       r->receiver.text, (uint64_t)r->object, r->id.text);
    case ROW_INSTANCE:
        return remove_instance(tx, r->id.text);
    case ROW_RESERVATION:
        return db_exec(tx, "DELETE FROM reservation WHERE id = ?", "t", r->id.text);
    case ROW_SHARED:
        return db_exec(tx, "DELETE FROM shared_object WHERE id = ?", "t", r->id.text);
    case ROW_OPERATION:
        return db_exec(tx, "DELETE FROM operation WHERE id = ?", "t", r->id.text);
    default:
        return NULL;
    }
}

struct error *store_model_write(struct db_tx *tx, const struct cloud_model *c, int64_t now)
{
    if (c->era_changed)
        RETURN_IF_ERROR(db_exec(tx, "UPDATE cloud SET era = ? WHERE one = 1", "u", c->era));
    array_each(&c->removed, r)
        RETURN_IF_ERROR(remove_row(tx, r));
    array_each(&c->changed, row)
        RETURN_IF_ERROR(write_row(tx, *row, now));
    array_each(&c->events, event)
        RETURN_IF_ERROR(store_event_add(tx, event->instance.text, now, event->source.text, event->text));
    return NULL;
}

/* ---- loading ---- */

static void copy_request(char *to, size_t size, const char *text)
{
    size_t len = text ? strnlen(text, size - 1) : 0;
    if (len)
        memcpy(to, text, len);
}

static void load_instance(struct db_stmt *s, struct cloud_model *c)
{
    struct cloud_instance *i = xnew0(struct cloud_instance);
    i->id = db_col_id(s, 0);
    i->reservation = db_col_id(s, 1);
    i->account = db_col_id(s, 2);
    i->zone = db_col_id(s, 3);
    i->node = db_col_id(s, 4);
    i->generation = db_col_u64(s, 5);
    i->wanted = db_col_i64(s, 6) != 0;
    i->held = db_col_i64(s, 7) != 0;
    i->state = (int)db_col_i64(s, 8);
    i->size = (struct size){db_col_u64(s, 9), db_col_u64(s, 10), db_col_u64(s, 11)};
    i->obs_run = db_col_u64(s, 12);
    i->obs_seq = db_col_u64(s, 13);
    i->deadline_left = db_col_i64(s, 14);
    i->forget_left = db_col_i64(s, 15);
    i->body = db_col_dup(s, 16);
    i->reason_code = db_col_dup(s, 17);
    i->reason_text = db_col_dup(s, 18);
    copy_request(i->request_id, sizeof i->request_id, db_col_text(s, 19));
    i->uses = db_col_dup(s, 20);
    cloud_load_instance(c, i);
}

static void load_reservation(struct db_stmt *s, struct cloud_model *c)
{
    struct cloud_reservation *r = xnew0(struct cloud_reservation);
    r->id = db_col_id(s, 0);
    r->account = db_col_id(s, 1);
    r->zone = db_col_id(s, 2);
    r->generation = db_col_u64(s, 3);
    r->placing_left = db_col_i64(s, 4);
    copy_request(r->request_id, sizeof r->request_id, db_col_text(s, 5));
    cloud_load_reservation(c, r);
}

static void load_zone(struct db_stmt *s, struct cloud_model *c)
{
    struct cloud_zone *z = xnew0(struct cloud_zone);
    z->id = db_col_id(s, 0);
    z->epoch.n = db_col_u64(s, 1);
    z->process = db_col_id(s, 2);
    z->asked = db_col_u64(s, 3);
    cloud_load_zone(c, z);
}

static void load_node(struct db_stmt *s, struct cloud_model *c)
{
    struct cloud_node *n = xnew0(struct cloud_node);
    n->id = db_col_id(s, 0);
    n->zone = db_col_id(s, 1);
    n->boot = db_col_u64(s, 2);
    n->fenced = db_col_i64(s, 3) != 0;
    n->link = db_col_id(s, 4);
    cloud_load_node(c, n);
}

static void load_shared(struct db_stmt *s, struct cloud_model *c)
{
    struct cloud_shared *shared = xnew0(struct cloud_shared);
    shared->id = db_col_id(s, 0);
    shared->kind = (enum object_kind)db_col_i64(s, 1);
    shared->generation = db_col_u64(s, 2);
    shared->mentions = db_col_dup(s, 3);
    cloud_load_shared(c, shared);
}

static void load_operation(struct db_stmt *s, struct cloud_model *c)
{
    struct cloud_operation *o = xnew0(struct cloud_operation);
    o->id = db_col_id(s, 0);
    o->instance = db_col_id(s, 1);
    o->node = db_col_id(s, 2);
    o->action = db_col_id(s, 3);
    o->left = db_col_i64(s, 4);
    copy_request(o->request_id, sizeof o->request_id, db_col_text(s, 5));
    cloud_load_operation(c, o);
}

static void load_outbox(struct db_stmt *s, struct cloud_model *c)
{
    struct outbox_row *o = xnew0(struct outbox_row);
    o->receiver = db_col_id(s, 0);
    o->kind = (enum object_kind)db_col_i64(s, 1);
    o->id = db_col_id(s, 2);
    o->state = (int)db_col_i64(s, 3);
    o->wait = db_col_i64(s, 4);
    o->wait_left = db_col_i64(s, 5);
    cloud_load_outbox(c, o);
}

static void load_type(struct db_stmt *s, struct cloud_model *c)
{
    cloud_add_type(c, db_col_text(s, 0),
                   (struct size){db_col_u64(s, 1), db_col_u64(s, 2), db_col_u64(s, 3)});
}

static struct error *load(struct db_tx *tx, struct cloud_model *c, const char *sql,
                          void (*row_fn)(struct db_stmt *, struct cloud_model *))
{
    _cleanup_db_stmt_ struct db_stmt *s = NULL;
    RETURN_IF_ERROR(db_query(tx, &s, sql, ""));
    for (;;) {
        bool row;
        RETURN_IF_ERROR(db_step(s, &row));
        if (!row)
            return NULL;
        row_fn(s, c);
    }
}

struct error *store_model_load(struct db_tx *tx, struct cloud_model *c)
{
    RETURN_IF_ERROR(load(tx, c, "SELECT name, vcpus, memory_mib, disk_gib FROM instance_type ORDER BY ordinal",
                         load_type));
    RETURN_IF_ERROR(load(tx, c, "SELECT id, epoch, process, asked FROM zone ORDER BY ordinal", load_zone));
    RETURN_IF_ERROR(load(tx, c, "SELECT id, zone, boot, fenced, link FROM node ORDER BY id", load_node));
    RETURN_IF_ERROR(load(
        tx, c, "SELECT id, account_id, zone, generation, placing_left, request_id FROM reservation ORDER BY id",
        load_reservation));
    RETURN_IF_ERROR(load(tx, c,
                         "SELECT id, reservation, account_id, zone, node, generation, wanted, held, state, vcpus, "
                         "memory_mib, disk_gib, obs_run, obs_seq, deadline_left, forget_left, body, reason_code, "
                         "reason_text, request_id, uses FROM instance ORDER BY id",
                         load_instance));
    RETURN_IF_ERROR(load(tx, c, "SELECT id, kind, generation, mentions FROM shared_object ORDER BY id", load_shared));
    RETURN_IF_ERROR(load(tx, c, "SELECT id, instance_id, node, action, left_ms, request_id FROM operation ORDER BY id",
                         load_operation));
    RETURN_IF_ERROR(load(tx, c, "SELECT receiver, kind, id, state, wait, wait_left FROM outbox", load_outbox));
    cloud_loaded(c);
    return NULL;
}
