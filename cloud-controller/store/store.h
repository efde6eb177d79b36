/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_STORE_STORE_H
#define CLOUD_CONTROLLER_STORE_STORE_H
/* The cloud's tables: all SQL of a table is in one file here, and SQL is nowhere else.
 *
 * Every function works inside the transaction it is given (common/db/db.h) and blocks no longer than the disk.  Times
 * are milliseconds since 1970.  Lookups of a user's resource take the account: another account's row is not found. */
#include "common/base/array.h"
#include "common/db/db.h"
#include "core/cloud.h"

extern const struct db_migration cloud_migrations[];
extern const size_t cloud_migrations_len;

/* ---- cloud.c ---- */
struct store_cloud {
    struct id id;
    uint64_t era;
};
/* Reads the cloud's identity; makes it at the first start. */
struct error *store_cloud_identity(struct db_tx *tx, struct store_cloud *ret) _must_check_;
/* What core/cloud.h wants of rows that come from a backup: so many eras more; what was never placed ends after `placing`
 * ms. */
struct error *store_cloud_restored(struct db_tx *tx, uint64_t eras, int64_t placing) _must_check_;

/* ---- model.c: rows of core/cloud.h ---- */
struct error *store_model_load(struct db_tx *tx, struct cloud_model *c) _must_check_;
/* Writes what the model changed and removed, and its events. */
struct error *store_model_write(struct db_tx *tx, const struct cloud_model *c, int64_t now) _must_check_;

/* ---- account.c ---- */
struct store_account {
    struct id id;
    char *name, *email, *canonical_id;
    bool administrator, enabled;
};
void store_account_free(struct store_account *a);
struct error *store_account_insert(struct db_tx *tx, const struct store_account *a, int64_t now) _must_check_;
struct error *store_account_get(struct db_tx *tx, const char *id, struct store_account *ret) _must_check_;
struct error *store_account_count(struct db_tx *tx, uint64_t *ret) _must_check_;
struct error *store_account_disable(struct db_tx *tx, const char *id) _must_check_;
typedef ARRAY(struct store_account) store_accounts;
struct error *store_account_list(struct db_tx *tx, store_accounts *ret) _must_check_;
struct store_key {
    struct id account;
    unsigned char sealed[256];
    size_t sealed_len;
    bool enabled, administrator;
    struct id role; /* of the cloud's own part that it was made for; store_key_each() alone tells */
};
struct error *store_key_insert(struct db_tx *tx, const char *id, const struct store_key *k, int64_t now) _must_check_;
/* ERROR_NOT_FOUND; enabled only where the account is too. */
struct error *store_key_get(struct db_tx *tx, const char *id, struct store_key *ret) _must_check_;
typedef struct error *store_key_fn(void *arg, const char *id, const struct store_key *key,
                                   const struct store_account *account);
/* Calls fn for each key that is enabled, with its account; stops at its first error. */
struct error *store_key_each(struct db_tx *tx, store_key_fn *fn, void *arg) _must_check_;
struct error *store_quota(struct db_tx *tx, const char *account, const char *name, uint64_t otherwise, uint64_t *ret)
    _must_check_;

/* ---- zone.c ---- */
/* Makes the zones of the configuration that are not there; their order is the configuration's. */
struct error *store_zone_ensure(struct db_tx *tx, const char *id, uint64_t ordinal) _must_check_;

/* ---- network.c ---- */
struct store_subnet {
    struct id id, account, vpc, zone;
    uint32_t first;
    unsigned prefix;
    uint64_t vni; /* unique in the cloud */
    bool is_default;
};
/* The account's default VPC with its default group, and a default subnet per zone, made where they lack. */
struct error *store_network_ensure(struct db_tx *tx, const char *account) _must_check_;
struct error *store_subnet_default(struct db_tx *tx, const char *account, const char *zone, struct store_subnet *ret)
    _must_check_;
struct error *store_subnet_get(struct db_tx *tx, const char *account, const char *id, struct store_subnet *ret)
    _must_check_;
/* The same whoever asks. */
struct error *store_subnet_find(struct db_tx *tx, const char *id, struct store_subnet *ret) _must_check_;
typedef ARRAY(struct store_subnet) store_subnets;
struct error *store_subnet_list(struct db_tx *tx, const char *account, store_subnets *ret) _must_check_;
struct store_vpc {
    struct id id;
    char *cidr;
    bool is_default;
};
void store_vpc_free(struct store_vpc *v);
/* ERROR_NOT_FOUND; `id` NULL: the default one. */
struct error *store_vpc_get(struct db_tx *tx, const char *account, const char *id, struct store_vpc *ret) _must_check_;
typedef ARRAY(struct store_vpc) store_vpcs;
struct error *store_vpc_list(struct db_tx *tx, const char *account, store_vpcs *ret) _must_check_;
/* Addresses of the subnet that are in use or at rest. */
struct error *store_address_count(struct db_tx *tx, const char *subnet, uint64_t *ret) _must_check_;
/* Takes a free address of the subnet for the instance; one that was freed rests 60 s.  ERROR_UNAVAILABLE: none. */
struct error *store_address_take(struct db_tx *tx, const struct store_subnet *s, const char *account,
                                 const char *instance, int64_t now, uint32_t *ret) _must_check_;
struct error *store_address_release(struct db_tx *tx, const char *instance, int64_t now) _must_check_;
/* An instance without a row has it, found on a node; *ret: whether it is that instance's now, not another's.  An address
 * that no subnet has is nobody's. */
struct error *store_address_hold(struct db_tx *tx, const char *subnet, uint32_t address, const char *instance, bool *ret)
    _must_check_;

/* ---- public-address.c ---- */
/* Takes a free address of `first`..`last` for the instance; one that was freed rests 60 s.  ERROR_UNAVAILABLE: none. */
struct error *store_public_address_take(struct db_tx *tx, uint32_t first, uint32_t last, const char *account,
                                        const char *instance, int64_t now, uint32_t *ret) _must_check_;
struct error *store_public_address_release(struct db_tx *tx, const char *instance, int64_t now) _must_check_;
/* As store_address_hold(). */
struct error *store_public_address_hold(struct db_tx *tx, uint32_t address, const char *subnet, const char *instance, bool *ret)
    _must_check_;

/* ---- security-group.c ---- */
#define STORE_GROUP_DEFAULT "default"
struct store_group {
    struct id id, account, vpc;
    char *name, *description;
};
void store_group_free(struct store_group *g);
typedef ARRAY(struct store_group) store_groups;
/* ERROR_EXISTS: the VPC has one of that name. */
struct error *store_group_insert(struct db_tx *tx, const struct store_group *g) _must_check_;
/* The VPC's default group, made where it lacks: all from itself, all outwards. */
struct error *store_group_default_ensure(struct db_tx *tx, const char *account, const char *vpc) _must_check_;
/* ERROR_NOT_FOUND, like the next two. */
struct error *store_group_get(struct db_tx *tx, const char *account, const char *id, struct store_group *ret)
    _must_check_;
/* The same whoever asks. */
struct error *store_group_find(struct db_tx *tx, const char *id, struct store_group *ret) _must_check_;
struct error *store_group_by_name(struct db_tx *tx, const char *vpc, const char *name, struct store_group *ret)
    _must_check_;
/* Groups of the account behind `after`, in id order. */
struct error *store_group_page(struct db_tx *tx, const char *account, const char *after, size_t limit,
                               store_groups *ret) _must_check_;
struct error *store_group_count(struct db_tx *tx, const char *account, uint64_t *ret) _must_check_;
/* True where an instance is in it or another group's rule names it. */
struct error *store_group_used(struct db_tx *tx, const char *id, bool *ret) _must_check_;
struct error *store_group_delete(struct db_tx *tx, const char *id) _must_check_;
struct store_rule {
    struct id id, group;
    bool egress;
    int protocol; /* of IP; -1: all */
    int from, to; /* ports of TCP and UDP; of ICMP type and code, -1: any; else -1 */
    char *peer;   /* an IPv4 range, or the id of a group */
    char *description;
};
void store_rule_free(struct store_rule *r);
typedef ARRAY(struct store_rule) store_rules;
void store_rules_free(store_rules *rules);
/* ERROR_EXISTS: the group has the same rule. */
struct error *store_rule_insert(struct db_tx *tx, const struct store_rule *r) _must_check_;
/* Those of one group: ingress before egress, same protocol and ports together. */
struct error *store_rule_list(struct db_tx *tx, const char *group, store_rules *ret) _must_check_;
struct error *store_rule_page(struct db_tx *tx, const char *account, const char *after, size_t limit,
                              store_rules *ret) _must_check_;
/* ERROR_NOT_FOUND, like the next two. */
struct error *store_rule_get(struct db_tx *tx, const char *account, const char *id, store_rules *ret) _must_check_;
/* The one with the same group, direction, protocol, ports and peer. */
struct error *store_rule_delete_same(struct db_tx *tx, const struct store_rule *r) _must_check_;
struct error *store_rule_delete(struct db_tx *tx, const char *group, const char *id, bool egress) _must_check_;
struct error *store_rule_count(struct db_tx *tx, const char *group, bool egress, uint64_t *ret) _must_check_;
struct error *store_instance_group_add(struct db_tx *tx, const char *instance, uint64_t ordinal, const char *group)
    _must_check_;
struct error *store_instance_group_remove_all(struct db_tx *tx, const char *instance) _must_check_;
/* The instance's groups in the order in which they were named. */
struct error *store_instance_group_list(struct db_tx *tx, const char *instance, store_groups *ret) _must_check_;

/* ---- key-pair.c: public halves of users' SSH keys ---- */
struct store_key_pair {
    struct id id, account;
    char *name, *type; /* "rsa" or "ed25519" */
    char *public_key;  /* OpenSSH's line without a comment */
    char *fingerprint;
    int64_t created_ms;
};
void store_key_pair_free(struct store_key_pair *k);
typedef ARRAY(struct store_key_pair) store_key_pairs;
/* ERROR_EXISTS: the account has one of that name. */
struct error *store_key_pair_insert(struct db_tx *tx, const struct store_key_pair *k) _must_check_;
/* ERROR_NOT_FOUND */
struct error *store_key_pair_get(struct db_tx *tx, const char *account, const char *name, struct store_key_pair *ret)
    _must_check_;
struct error *store_key_pair_list(struct db_tx *tx, const char *account, store_key_pairs *ret) _must_check_;
struct error *store_key_pair_count(struct db_tx *tx, const char *account, uint64_t *ret) _must_check_;
/* ERROR_NOT_FOUND */
struct error *store_key_pair_delete(struct db_tx *tx, const char *account, const char *id) _must_check_;

/* ---- image.c ---- */
struct store_image {
    struct id id, account;
    char *name, *description, *architecture, *state;
    bool public;
    int64_t created_ms;
    char *source_bucket, *source_key;
    unsigned char sealed_key[128];
    size_t sealed_len; /* 0: none */
    uint64_t disk_bytes, progress;
    char *reason;
};
void store_image_free(struct store_image *i);
typedef ARRAY(struct store_image) store_images;
/* An image that the account may launch: its own or a public one. ERROR_NOT_FOUND. */
struct error *store_image_get(struct db_tx *tx, const char *account, const char *id, struct store_image *ret)
    _must_check_;
/* The same whoever asks, deregistered ones too. */
struct error *store_image_find(struct db_tx *tx, const char *id, struct store_image *ret) _must_check_;
struct error *store_image_list(struct db_tx *tx, const char *account, store_images *ret) _must_check_;
/* ERROR_EXISTS: the account has one of that name. */
struct error *store_image_insert(struct db_tx *tx, const struct store_image *i, int64_t now) _must_check_;
/* Its name is free again; its row stays until what it was made of is removed. ERROR_NOT_FOUND: not the account's. */
struct error *store_image_deregister(struct db_tx *tx, const char *account, const char *id) _must_check_;
/* Every account may launch it from now on. ERROR_NOT_FOUND. */
struct error *store_image_publish(struct db_tx *tx, const char *id) _must_check_;

/* ---- image-job.c: what the Image Service has to do ---- */
/* An image to be made, or one to be removed that nothing stands on any more, taken for the service of that key: a job
 * is another's only when nothing was heard of it for a minute.  ERROR_NOT_FOUND: none. */
struct error *store_image_job_take(struct db_tx *tx, const char *service, int64_t now, struct store_image *ret)
    _must_check_;
/* False: the job is not that service's any more. */
struct error *store_image_job_progress(struct db_tx *tx, const char *service, const char *id, uint64_t percent,
                                       int64_t now, bool *ret_go_on) _must_check_;
struct error *store_image_job_done(struct db_tx *tx, const char *service, const char *id, uint64_t disk_bytes)
    _must_check_;
/* Whether a job of the image may be under way, taken or not; false for one that is not there. */
struct error *store_image_job_may_run(struct db_tx *tx, const char *id, bool *ret) _must_check_;
/* In whatever state. */
struct error *store_image_there(struct db_tx *tx, const char *id, bool *ret) _must_check_;
struct error *store_image_job_failed(struct db_tx *tx, const char *service, const char *id, const char *reason)
    _must_check_;

/* ---- system.c: the cloud's own parts ---- */
/* The public key that the node enrolled with; ERROR_NOT_FOUND. */
struct error *store_node_key_get(struct db_tx *tx, const char *node, unsigned char ret[32]) _must_check_;
struct error *store_node_key_put(struct db_tx *tx, const char *node, const unsigned char key[32]) _must_check_;
/* True where the access key is the one made for this part. */
struct error *store_system_key_is(struct db_tx *tx, const char *role, const char *key_id, bool *ret) _must_check_;
struct error *store_system_key_count(struct db_tx *tx, uint64_t *ret) _must_check_;
struct error *store_system_key_put(struct db_tx *tx, const char *role, const char *key_id) _must_check_;
/* An enabled access key of the account; ERROR_NOT_FOUND. */
struct error *store_key_of(struct db_tx *tx, const char *account, struct id *ret_id, struct store_key *ret)
    _must_check_;

/* ---- type.c ---- */
struct store_type {
    struct id name;
    struct size size;
};
typedef ARRAY(struct store_type) store_types;
struct error *store_type_list(struct db_tx *tx, store_types *ret) _must_check_;

/* ---- instance.c: what users see ---- */
struct store_instance {
    struct id id, reservation, account, zone, node;
    int state;
    char *reason_code, *reason_text;
    struct id image, type;
    char *key_name;
    uint64_t launch_index;
    int64_t launch_ms;
    struct id vpc, subnet;
    char *private_ip, *mac, *client_token, *architecture;
    struct id eni;
    char *public_ip; /* NULL: none */
    char *user_data; /* base64; NULL: none */
    char *metadata_tokens, *metadata_endpoint;
    uint64_t metadata_hops;
};
void store_instance_free(struct store_instance *i);
typedef ARRAY(struct store_instance) store_instances;
struct error *store_instance_insert(struct db_tx *tx, const struct store_instance *i) _must_check_;
/* Instances of the account behind `after` (an id; "" from the first), at most `limit`, in id order. */
struct error *store_instance_page(struct db_tx *tx, const char *account, const char *after, size_t limit,
                                  store_instances *ret) _must_check_;
/* ERROR_NOT_FOUND */
struct error *store_instance_get(struct db_tx *tx, const char *account, const char *id, store_instances *ret)
    _must_check_;
/* A member of a group or a subnet: what its row and address tell. */
struct store_member {
    struct id instance;
    char *private_ip, *mac;
};
typedef ARRAY(struct store_member) store_members;
void store_members_free(store_members *m);
/* Instances that are not gone, of a group and in a subnet. */
struct error *store_instance_of_group(struct db_tx *tx, const char *group, store_members *ret) _must_check_;
struct error *store_instance_of_subnet(struct db_tx *tx, const char *subnet, store_members *ret) _must_check_;
struct error *store_instance_of_reservation(struct db_tx *tx, const char *account, const char *reservation,
                                            store_instances *ret) _must_check_;
/* Instances that count against the account's quota: wanted ones. */
struct error *store_instance_count(struct db_tx *tx, const char *account, uint64_t *ret) _must_check_;

/* ---- event.c ---- */
struct store_event {
    int64_t time_ms;
    char *source, *message;
};
void store_event_free(struct store_event *e);
typedef ARRAY(struct store_event) store_events;
struct error *store_event_add(struct db_tx *tx, const char *instance, int64_t now, const char *source,
                              const char *message) _must_check_;
struct error *store_event_list(struct db_tx *tx, const char *instance, store_events *ret) _must_check_;

/* ---- tag.c ---- */
struct store_tag {
    struct id resource;
    char *type, *key, *value;
};
void store_tag_free(struct store_tag *t);
typedef ARRAY(struct store_tag) store_tags;
struct error *store_tag_set(struct db_tx *tx, const char *account, const char *resource, const char *type,
                            const char *key, const char *value) _must_check_;
/* `value` NULL: whatever it is. */
struct error *store_tag_delete(struct db_tx *tx, const char *account, const char *resource, const char *key,
                               const char *value) _must_check_;
struct error *store_tag_delete_all(struct db_tx *tx, const char *account, const char *resource) _must_check_;
struct error *store_tag_count(struct db_tx *tx, const char *account, const char *resource, uint64_t *ret) _must_check_;
/* Tags of one resource, or of all (resource NULL), in (resource, key) order behind (after, after_key). */
struct error *store_tag_list(struct db_tx *tx, const char *account, const char *resource, const char *after,
                             const char *after_key, size_t limit, store_tags *ret) _must_check_;
/* The type of a taggable resource of the account ("instance", "image" …). ERROR_NOT_FOUND. */
struct error *store_tag_target(struct db_tx *tx, const char *account, const char *resource, const char **ret_type)
    _must_check_;

/* ---- token.c ---- */
/* The reservation that the account's ClientToken stands for; ERROR_NOT_FOUND: unused. *ret_same: the same request. */
struct error *store_token_get(struct db_tx *tx, const char *account, const char *token, const void *request,
                              size_t len, struct id *ret_reservation, bool *ret_same) _must_check_;
struct error *store_token_put(struct db_tx *tx, const char *account, const char *token, const void *request,
                              size_t len, const char *reservation, int64_t now) _must_check_;
#endif
