/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_CLOUD_H
#define CLOUD_CONTROLLER_CLOUD_H
/* The Cloud Controller: its database, its brain, its API.  One struct, made at start, read-only afterwards but for
 * what its parts guard themselves. */
#include "cloud-controller/brain.h"
#include "cloud-controller/keys.h"
#include "common/base/ipv4.h"
#include "common/daemon/daemon.h"

struct cloud_config {
    struct daemon_config daemon;
    char *listen, *cert_file, *key_file;
    char *guest_listen, *guest_cert_file, *guest_key_file;
    char *state_dir;
    char *amqp_url;
    char *region;
    struct config_list zones;
    char *admin_credentials_file;
    char *identity_file;
    char *system_credentials_dir;
    char *store_url;
    char *public_network;
    char *timing;
    uint64_t instance_quota;
    uint64_t min_free;
};

struct cloud {
    struct daemon *daemon;
    const struct cloud_config *config;
    struct timing timing;
    struct db *db;
    struct brain *brain;
    struct keys *keys;
    struct api *api;
    struct cidr public_network; /* addresses that instances are reached under from outside */
    bool has_public_network;
    int64_t started;
};


extern const struct daemon_ops cloud_daemon;
#endif
