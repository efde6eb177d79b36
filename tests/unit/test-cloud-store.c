/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdint.h>
#include <cmocka.h>
#include "cloud-controller/quarantine.h"
#include "cloud-controller/shared-body.h"
#include "cloud-controller/store/store.h"
#include "common/base/str.h"
#include "common/spawn/spawn.h"

#define ACCOUNT "111111111111"
#define SECOND  "222222222222"
#define SUBNET  "INSERT INTO subnet (id, account_id, vpc_id, zone, first_address, prefix, is_default) "
#define ATTRIBUTE                                                                                  \
    "INSERT INTO instance_attribute (id, account_id, image_id, type, launch_index, launch_ms, vpc_id, subnet_id, " \
    "private_ip, mac, architecture) "

struct fixture {
    char folder[32];
    char *path;
    struct db *db;
};

static struct error *open_at(struct fixture *f, size_t migrations)
{
    struct db_options o = {.path = f->path, .migrations = cloud_migrations, .migrations_len = migrations};
    return db_open(&o, &f->db);
}

static int set_up(void **state)
{
    struct fixture *f = xnew0(struct fixture);
    memcpy(f->folder, "/tmp/mallee-store-XXXXXX", 25);
    assert_non_null(mkdtemp(f->folder));
    f->path = xasprintf("%s/cloud.db", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    struct spawn s = {.argv = (const char *const[]){"rm", "-r", f->folder, NULL}};
    if (f->db)
        db_close(f->db);
    error_ignore(spawn_check(&s));
    free(f->path);
    free(f);
    return 0;
}

static void change(struct fixture *f, db_fn fn, void *arg)
{
    struct error *e = db_write_wait(f->db, DB_FORCED, fn, arg);
    if (e)
        fail_msg("%s", error_message(e));
}

/* On this thread, where an assertion may fail. */
static void look(struct fixture *f, db_fn fn, void *arg)
{
    struct error *e = db_read(f->db, fn, arg);
    if (e)
        fail_msg("%s", error_message(e));
}

static uint64_t count(struct db_tx *tx, const char *sql)
{
    uint64_t n = 0;
    assert_null(db_query_u64(tx, &n, sql, ""));
    return n;
}

/* ---- what a cloud of before has ---- */

static struct error *fill_old(struct db_tx *tx, void *arg)
{
    static const char *const rows[] = {
        "INSERT INTO account (id, name, canonical_id, created_ms) VALUES ('" ACCOUNT "', 'a', 'c', 0)",
        "INSERT INTO account (id, name, canonical_id, created_ms) VALUES ('" SECOND "', 'b', 'd', 0)",
        "INSERT INTO zone (id, ordinal) VALUES ('z', 0)",
        "INSERT INTO vpc VALUES ('vpc-1', '" ACCOUNT "', '172.31.0.0/16', 1)",
        "INSERT INTO vpc VALUES ('vpc-2', '" SECOND "', '172.31.0.0/16', 1)",
        SUBNET "VALUES ('subnet-1', '" ACCOUNT "', 'vpc-1', 'z', 2887712768, 20, 1)",
        SUBNET "VALUES ('subnet-2', '" SECOND "', 'vpc-2', 'z', 2887712768, 20, 1)",
        ATTRIBUTE "VALUES ('i-1', '" ACCOUNT "', 'ami-1', 'm1.small', 0, 0, 'vpc-1', 'subnet-1', "
        "'172.31.0.4', '02:00:00:00:00:01', 'x86_64')"};
    (void)arg;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        RETURN_IF_ERROR(db_exec(tx, rows[i], ""));
    return NULL;
}

static struct error *check_new(struct db_tx *tx, void *arg)
{
    (void)arg;
    assert_int_equal(count(tx, "SELECT count(*) FROM security_group WHERE name = 'default'"), 2);
    assert_int_equal(count(tx, "SELECT count(*) FROM security_group g JOIN security_group_rule r ON r.group_id = g.id WHERE "
                               "r.peer = g.id AND NOT r.egress AND r.protocol = -1"), 2);
    assert_int_equal(count(tx, "SELECT count(*) FROM security_group_rule WHERE egress AND peer = '0.0.0.0/0'"), 2);
    assert_int_equal(count(tx, "SELECT count(DISTINCT vni) FROM subnet WHERE vni BETWEEN 1 AND 16777215"), 2);
    assert_int_equal(count(tx, "SELECT count(*) FROM instance_group i JOIN security_group g ON g.id = i.group_id WHERE "
                               "i.instance_id = 'i-1' AND g.vpc_id = 'vpc-1'"), 1);
    assert_int_equal(count(tx, "SELECT count(*) FROM instance_attribute WHERE eni_id GLOB 'eni-[0-9a-f]*' AND "
                               "length(eni_id) = 21 AND metadata_tokens = 'optional'"), 1);
    return NULL;
}

static struct error *make_more(struct db_tx *tx, void *arg)
{
    (void)arg;
    RETURN_IF_ERROR(store_zone_ensure(tx, "y", 1));
    RETURN_IF_ERROR(store_network_ensure(tx, ACCOUNT));
    return store_network_ensure(tx, SECOND);
}

static struct error *check_more(struct db_tx *tx, void *arg)
{
    (void)arg;
    assert_int_equal(count(tx, "SELECT count(*) FROM security_group"), 2);
    assert_int_equal(count(tx, "SELECT count(DISTINCT vni) FROM subnet"), 4);
    return NULL;
}

static void test_a_cloud_of_before_gets_groups_and_numbers(void **state)
{
    struct fixture *f = *state;
    assert_null(open_at(f, 3));
    change(f, fill_old, NULL);
    db_close(f->db);
    f->db = NULL;
    assert_null(open_at(f, cloud_migrations_len));
    look(f, check_new, NULL);
    change(f, make_more, NULL);
    look(f, check_more, NULL);
}

/* ---- public addresses ---- */

#define FIRST 0xc0000210u /* 192.0.2.16 */
#define LAST  0xc0000213u

/* Takes for an instance or, with `release`, gives back what it has; `expected` 0: none is free. */
struct step {
    const char *instance;
    bool release;
    int64_t now;
    uint32_t expected, got;
};

static struct error *run_step(struct db_tx *tx, void *arg)
{
    struct step *s = arg;
    if (s->release)
        return store_public_address_release(tx, s->instance, s->now);
    struct error *e = store_public_address_take(tx, FIRST, LAST, ACCOUNT, s->instance, s->now, &s->got);
    return error_is(e, &ERROR_UNAVAILABLE) ? error_free(e) : e;
}

static void test_a_public_address_is_somebodys_or_rests(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {
        {"i-1", false, 0, FIRST, 0},         {"i-2", false, 0, FIRST + 1, 0},     {"i-3", false, 0, FIRST + 2, 0},
        {"i-2", true, 1000, 0, 0},           {"i-2", true, 2000, 0, 0}, /* said again: it rests no longer */
        {"i-4", false, 1000, LAST, 0},       {"i-5", false, 60999, 0, 0},         {"i-5", false, 61000, FIRST + 1, 0},
        {"i-6", false, 1000000, 0, 0},       {"i-1", true, 0, 0, 0},              {"i-6", false, 1000000, FIRST, 0},
    };
    assert_null(open_at(f, cloud_migrations_len));
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        change(f, run_step, &steps[i]);
        if (steps[i].got != steps[i].expected)
            fail_msg("step %zu: %u instead of %u", i, steps[i].got, steps[i].expected);
    }
}

/* ---- what nodes are told ---- */

static struct cloud_instance *held(struct cloud_model *c, const char *id, const char *node, const char *uses)
{
    struct cloud_instance *i = xnew0(struct cloud_instance);
    i->id = id_of(id);
    i->reservation = id_of("r-1");
    i->account = id_of(ACCOUNT);
    i->zone = id_of("z");
    i->node = id_of(node);
    i->wanted = i->held = true;
    i->state = INSTANCE_RUNNING;
    i->uses = xstrdup(uses);
    i->body = xstrdup("{}");
    cloud_load_instance(c, i);
    return i;
}

static struct error *fill_members(struct db_tx *tx, void *arg)
{
    static const char *const rows[] = {
        ATTRIBUTE "VALUES ('i-2', '" ACCOUNT "', 'ami-1', 'm1.small', 0, 0, 'vpc-1', 'subnet-1', "
        "'172.31.0.5', '02:00:00:00:00:02', 'x86_64')",
        "INSERT INTO address VALUES ('subnet-1', 2887712772, '" ACCOUNT "', 'i-1', NULL)",
        "INSERT INTO address VALUES ('subnet-1', 2887712773, '" ACCOUNT "', 'i-2', NULL)",
        "INSERT INTO security_group VALUES ('sg-a', '" ACCOUNT "', 'vpc-1', 'a', 'd')",
        "INSERT INTO instance_group VALUES ('i-1', 0, 'sg-a')",
        "INSERT INTO instance_group VALUES ('i-2', 0, 'sg-a')",
        "INSERT INTO security_group_rule VALUES ('sgr-1', 'sg-a', 0, 6, 22, 22, '10.0.0.0/8', NULL)",
        "INSERT INTO security_group_rule VALUES ('sgr-2', 'sg-a', 0, 1, -1, -1, 'sg-a', NULL)",
        "INSERT INTO security_group_rule VALUES ('sgr-3', 'sg-a', 1, 50, -1, -1, '0.0.0.0/0', NULL)",
        "INSERT INTO security_group_rule VALUES ('sgr-4', 'sg-a', 1, -1, -1, -1, '0.0.0.0/0', NULL)",
        "UPDATE subnet SET vni = 1234 WHERE id = 'subnet-1'"};
    (void)arg;
    RETURN_IF_ERROR(fill_old(tx, NULL));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        RETURN_IF_ERROR(db_exec(tx, rows[i], ""));
    return NULL;
}

static void is_body(struct db_tx *tx, const struct cloud_model *c, enum object_kind kind, const char *id, const char *expected)
{
    struct message m = {.type = MESSAGE_OBJECT, .kind = kind, .id = id_of(id), .present = true};
    struct error *e = shared_body(tx, c, &m);
    if (e)
        fail_msg("%s", error_message(e));
    assert_string_equal(m.body, expected);
    message_free(&m);
}

static struct error *bodies(struct db_tx *tx, void *arg)
{
    struct cloud_model *c = arg;
    is_body(tx, c, KIND_GROUP, "sg-a",
            "{\"rules\":[{\"direction\":\"in\",\"from\":-1,\"members\":[\"172.31.0.4\"],\"protocol\":\"icmp\",\"to\":-1},"
            "{\"cidr\":\"10.0.0.0/8\",\"direction\":\"in\",\"from\":22,\"protocol\":\"tcp\",\"to\":22},"
            "{\"cidr\":\"0.0.0.0/0\",\"direction\":\"out\",\"protocol\":\"all\"},"
            "{\"cidr\":\"0.0.0.0/0\",\"direction\":\"out\",\"protocol\":\"50\"}],\"vpc\":\"vpc-1\"}");
    is_body(tx, c, KIND_SUBNET, "subnet-1",
            "{\"cidr\":\"172.31.0.0/20\",\"hosts\":[{\"address\":\"172.31.0.4\",\"link\":\"10.96.65.2\",\"mac\":"
            "\"02:00:00:00:00:01\",\"node\":\"n-1\"}],\"vni\":1234,\"vpc\":\"vpc-1\"}");
    struct message gone = {.type = MESSAGE_OBJECT, .kind = KIND_GROUP, .id = id_of("sg-b")};
    assert_null(shared_body(tx, c, &gone)); /* absent: it needs no body */
    assert_null(gone.body);
    return NULL;
}

static void test_bodies_list_what_nodes_hold(void **state)
{
    struct fixture *f = *state;
    struct timing t = TIMING_DEFAULT;
    assert_null(open_at(f, cloud_migrations_len));
    change(f, fill_members, NULL);
    struct cloud_model *c = cloud_new(&t, "c-1", 1);
    struct cloud_node *n = xnew0(struct cloud_node);
    n->id = id_of("n-1");
    n->zone = id_of("z");
    n->link = id_of("10.96.65.2");
    cloud_load_node(c, n);
    held(c, "i-1", "n-1", "subnet-1 sg-a");
    held(c, "i-2", "n-1", "subnet-1 sg-a")->held = false; /* not placed yet, or gone */
    cloud_loaded(c);
    look(f, bodies, c);
    cloud_free(c);
}

/* ---- instances that no row names ---- */

static void add_found(struct message *m, const char *id, const char *address, const char *public_address)
{
    struct message_item *item = array_add(&m->items);
    *item = (struct message_item){.kind = KIND_INSTANCE, .id = id_of(id), .present = true, .generation = 2};
    item->place = (struct message_place){.subnet = id_of("subnet-1"), .address = id_of(address)};
    if (public_address)
        item->place.public_address = id_of(public_address);
}

static struct error *hear_all(struct db_tx *tx, void *arg)
{
    struct cloud_model *c = arg;
    struct message m = {.type = MESSAGE_INVENTORY, .node = id_of("n-1")};
    add_found(&m, "i-1", "172.31.0.9", NULL);               /* it has a row, which says more than its node */
    add_found(&m, "i-found", "172.31.0.6", "192.0.2.16");
    add_found(&m, "i-found", "172.31.0.6", "192.0.2.16");
    add_found(&m, "i-strange", "10.0.0.5", NULL);           /* outside of the subnet */
    add_found(&m, "i-second", "172.31.0.6", NULL);          /* has it too: the first keeps it */
    struct error *e = quarantine_hear(tx, c, &m);
    message_free(&m);
    return e;
}

struct taken {
    uint32_t private, public;
};

static struct error *take_more(struct db_tx *tx, void *arg)
{
    struct taken *t = arg;
    struct store_subnet s;
    RETURN_IF_ERROR(store_subnet_get(tx, ACCOUNT, "subnet-1", &s));
    RETURN_IF_ERROR(store_address_take(tx, &s, ACCOUNT, "i-new", 0, &t->private));
    return store_public_address_take(tx, FIRST, LAST, ACCOUNT, "i-new", 0, &t->public);
}

static struct error *one_held(struct db_tx *tx, void *arg)
{
    (void)arg;
    assert_int_equal(count(tx, "SELECT count(*) FROM address"), 3); /* two are others' */
    assert_int_equal(count(tx, "SELECT count(*) FROM address WHERE instance_id = 'i-found' AND account_id = '" ACCOUNT "'"), 1);
    assert_int_equal(count(tx, "SELECT count(*) FROM public_address WHERE instance_id = 'i-found'"), 1);
    return NULL;
}

static struct error *hear_of_end(struct db_tx *tx, void *arg)
{
    struct message m = {.type = MESSAGE_APPLIED, .kind = KIND_INSTANCE, .node = id_of("n-1"), .id = id_of("i-found")};
    return quarantine_hear(tx, arg, &m);
}

static struct error *none_held(struct db_tx *tx, void *arg)
{
    (void)arg;
    assert_int_equal(count(tx, "SELECT count(*) FROM address WHERE instance_id = 'i-found'"), 0);
    assert_int_equal(count(tx, "SELECT count(*) FROM public_address WHERE instance_id = 'i-found'"), 0);
    return NULL;
}

static void test_quarantine_keeps_addresses(void **state)
{
    struct fixture *f = *state;
    struct timing t = TIMING_DEFAULT;
    assert_null(open_at(f, cloud_migrations_len));
    change(f, fill_members, NULL);
    struct cloud_model *c = cloud_new(&t, "c-1", 1);
    struct cloud_node *n = xnew0(struct cloud_node);
    n->id = id_of("n-1");
    cloud_load_node(c, n);
    held(c, "i-1", "n-1", "subnet-1 sg-a");
    cloud_loaded(c);
    change(f, hear_all, c);
    look(f, one_held, NULL);
    struct taken taken = {0};
    change(f, take_more, &taken);
    assert_int_equal(taken.private, 2887712768u + 7);
    assert_int_equal(taken.public, FIRST + 1);
    change(f, hear_of_end, c);
    look(f, none_held, NULL);
    n->fenced = true; /* it is not believed any more */
    change(f, hear_all, c);
    look(f, none_held, NULL);
    cloud_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_cloud_of_before_gets_groups_and_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_public_address_is_somebodys_or_rests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bodies_list_what_nodes_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quarantine_keeps_addresses, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
