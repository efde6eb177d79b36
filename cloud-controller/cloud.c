/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/cloud.h"
#include "cloud-controller/admin/account.h"
#include "cloud-controller/administrator.h"
#include "cloud-controller/api.h"
#include "cloud-controller/backup.h"
#include "cloud-controller/ec2/group/group.h"
#include "cloud-controller/identity.h"
#include "cloud-controller/system.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/file/file.h"

/* ---- first start ---- */

static struct error *make_administrator(struct cloud *c, struct db_tx *tx)
{
    struct new_key key;
    struct store_account admin = {.id = keys_account_id(), .administrator = true};
    admin.name = xstrdup("admin");
    admin.canonical_id = keys_canonical_id();
    keys_make(c->keys, &admin.id, &key);
    /* On disk for the operator before the account exists; a start that died between writes them anew. */
    struct error *e = administrator_write(c->config, key.id, key.secret);
    if (!e)
        e = account_make(tx, c->keys, &admin, &key, clock_wall_ms());
    if (!e)
        log_info("made the administrator's account %s; its keys are in %s", admin.id.text,
                 c->config->admin_credentials_file);
    wipe(&key, sizeof key);
    store_account_free(&admin);
    return e;
}

static struct error *seed(struct db_tx *tx, void *arg)
{
    struct cloud *c = arg;
    struct store_cloud identity;
    RETURN_IF_ERROR(store_cloud_identity(tx, &identity));
    for (size_t i = 0; i < c->config->zones.len; i++)
        RETURN_IF_ERROR(store_zone_ensure(tx, c->config->zones.items[i], i));
    uint64_t accounts = 0;
    RETURN_IF_ERROR(store_account_count(tx, &accounts));
    if (!accounts)
        RETURN_IF_ERROR(make_administrator(c, tx));
    RETURN_IF_ERROR(system_seed(c, tx));
    /* Zones may have come since an account was made. */
    store_accounts all = {0};
    struct error *e = store_account_list(tx, &all);
    array_each(&all, a) {
        if (!e)
            e = store_network_ensure(tx, a->id.text);
        store_account_free(a);
    }
    array_free(&all);
    return e;
}

/* ---- life ---- */

static struct error *open_db(struct cloud *c)
{
    _cleanup_free_ char *path = xasprintf("%s/cloud.db", c->config->state_dir);
    struct db_options o = {.path = path,
                           .migrations = cloud_migrations,
                           .migrations_len = cloud_migrations_len,
                           .readers = 4,
                           .min_free = c->config->min_free};
    RETURN_IF_ERROR(file_make_dirs(c->config->state_dir));
    RETURN_IF_ERROR(db_open(&o, &c->db));
    db_register_metrics(c->db, daemon_metrics(c->daemon), "db=\"cloud\"");
    RETURN_IF_ERROR(keys_open(c->config->state_dir, &c->keys));
    RETURN_IF_ERROR(db_write_wait(c->db, DB_FORCED, seed, c));
    RETURN_IF_ERROR(system_credentials_write(c));
    RETURN_IF_ERROR(identity_write(c));
    backup_sweep(c->config);
    return NULL;
}

/* Groups and subnets that came with an account made before the model was there, or with a zone. */
static struct error *share_all(struct brain *b, struct db_tx *tx, struct cloud_model *model, void *arg)
{
    (void)b;
    (void)arg;
    store_accounts all = {0};
    struct error *e = store_account_list(tx, &all);
    array_each(&all, a) {
        if (!e)
            e = network_share(tx, model, a->id.text);
        store_account_free(a);
    }
    array_free(&all);
    return e;
}

static struct error *open_all(struct cloud *c)
{
    RETURN_IF_ERROR(open_db(c));
    struct brain_options o = {c->daemon, c->db, c->timing, c->config->amqp_url, c->keys};
    RETURN_IF_ERROR(brain_new(&o, &c->brain));
    RETURN_IF_ERROR(brain_change(c->brain, DB_FORCED | DB_RESCUE, share_all, NULL));
    RETURN_IF_ERROR(brain_connect(c->brain));
    RETURN_IF_ERROR(api_open(c, &c->api));
    log_info("region %s, %zu zones, API on %s", c->config->region, c->config->zones.len, c->config->listen);
    return NULL;
}

static void stop(void *state)
{
    struct cloud *c = state;
    if (!c)
        return;
    api_close(c->api);
    brain_disconnect(c->brain);
    db_close(c->db);
    brain_free(c->brain);
    keys_free(c->keys);
    free(c);
}

static struct error *start(struct daemon *d, const void *config, void **ret_state)
{
    struct cloud *c = xnew0(struct cloud);
    c->daemon = d;
    c->config = config;
    c->timing = TIMING_DEFAULT;
    c->has_public_network = c->config->public_network && cidr_parse(c->config->public_network, &c->public_network);
    c->started = clock_mono_ms();
    struct error *e = c->config->timing ? timing_parse(&c->timing, c->config->timing) : NULL;
    if (!e)
        e = open_all(c);
    if (e) {
        stop(c);
        return e;
    }
    *ret_state = c;
    return NULL;
}

static void check(const void *config, struct str *complaints)
{
    const struct cloud_config *c = config;
    struct timing t = TIMING_DEFAULT;
    struct error *e = c->timing ? timing_parse(&t, c->timing) : NULL;
    if (e)
        config_complain(complaints, "%s", error_message(e));
    error_free(e);
    if (c->region && !id_valid(c->region))
        config_complain(complaints, "region: '%.60s' is no region name", c->region);
    struct cidr range;
    if (c->public_network && (!cidr_parse(c->public_network, &range) || range.prefix < 8 || range.prefix > 27))
        config_complain(complaints, "public-network: '%.60s' is no range of IPv4 addresses from /8 to /27",
                        c->public_network);
    if (!c->zones.len || c->zones.len > 16)
        config_complain(complaints, "zones: 1 to 16 zones must be named");
    for (size_t i = 0; i < c->zones.len; i++) {
        if (!id_valid(c->zones.items[i]))
            config_complain(complaints, "zones: '%.60s' is no zone name", c->zones.items[i]);
    }
}

#define AT(member) .offset = offsetof(struct cloud_config, member)
/* clang-format off */
static const struct config_key keys[] = {
    DAEMON_KEYS(struct cloud_config, daemon),
    {.name = "listen", .type = CONFIG_ADDRESS, AT(listen), .value = "127.0.0.1:8773", .required = true,
     .tls_key = "cert-file", .doc = "Where the EC2, STS and administration APIs, /healthz and /metrics answer."},
    {.name = "cert-file", .type = CONFIG_PATH, AT(cert_file), .doc = "Certificate of the listener, PEM."},
    {.name = "key-file", .type = CONFIG_PATH, AT(key_file), .doc = "Its private key, PEM."},
    {.name = "guest-listen", .type = CONFIG_ADDRESS, AT(guest_listen), .tls_key = "guest-cert-file",
     .doc = "Where instances reach the EC2 and STS APIs; administration, /healthz and /metrics are not there."},
    {.name = "guest-cert-file", .type = CONFIG_PATH, AT(guest_cert_file), .doc = "Certificate of that listener, PEM."},
    {.name = "guest-key-file", .type = CONFIG_PATH, AT(guest_key_file), .doc = "Its private key, PEM."},
    {.name = "state-dir", .type = CONFIG_PATH, AT(state_dir), .value = "/var/lib/mallee/cloud", .required = true,
     .doc = "The database and the cloud key."},
    {.name = "amqp-url", .type = CONFIG_STRING, AT(amqp_url), .required = true, .secret = true,
     .doc = "The message broker: amqp://USER:PASSWORD@HOST:PORT/VHOST."},
    {.name = "region", .type = CONFIG_STRING, AT(region), .value = "us-east-1", .required = true,
     .doc = "The region's name, which clients sign with."},
    {.name = "zones", .type = CONFIG_LIST, AT(zones), .value = "us-east-1a", .required = true,
     .doc = "The availability zones, one per Cluster Controller. A zone is never taken away again."},
    {.name = "admin-credentials-file", .type = CONFIG_PATH, AT(admin_credentials_file),
     .value = "/var/lib/mallee/cloud/admin-credentials", .required = true,
     .doc = "The first start writes the administrator's keys there, mode 0600."},
    {.name = "identity-file", .type = CONFIG_PATH, AT(identity_file),
     .doc = "Accounts and keys for the object store, which names the same file. Its folder is the two's only."},
    {.name = "system-credentials-dir", .type = CONFIG_PATH, AT(system_credentials_dir),
     .doc = "Where the keys of the cloud's own parts are written: image-service, node; mode 0640. None: nowhere."},
    {.name = "store-url", .type = CONFIG_STRING, AT(store_url),
     .doc = "The object store as the Image Service reaches it, e.g. http://127.0.0.1:8774. None: no images are made."},
    {.name = "public-network", .type = CONFIG_STRING, AT(public_network),
     .doc = "Range of public addresses, e.g. 10.96.96.0/19. Its first 16 and its last are not used. None: none."},
    {.name = "instance-quota", .type = CONFIG_U64, AT(instance_quota), .value = "1000", .required = true,
     .min = 1, .max = 1000000, .doc = "Instances that an account may have, where it has no quota of its own."},
    {.name = "min-free", .type = CONFIG_U64, AT(min_free), .value = "256MiB", .required = true, .min = 0,
     .max = 1ull << 50, .doc = "Disk space kept free: below it writes are refused and reads go on."},
    {.name = "timing", .type = CONFIG_STRING, AT(timing),
     .doc = "For tests only: other waiting times, NAME=MILLISECONDS with commas between."},
};
/* clang-format on */

static const struct config_program program = {
    .name = "mallee-cloud-controller",
    .summary = "serves the EC2 and STS APIs and holds what the cloud is to be",
    .keys = keys,
    .len = ARRAY_SIZE(keys),
    .restores = true,
    .check = check,
};

const struct daemon_ops cloud_daemon = {
    .config = &program, .config_size = sizeof(struct cloud_config), .start = start, .stop = stop, .restore = backup_restore};
