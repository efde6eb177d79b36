/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_EC2_INSTANCE_OPTIONS_H
#define CLOUD_CONTROLLER_EC2_INSTANCE_OPTIONS_H
/* What a launch asks for beside image, type and place: key, groups, addresses, user data, metadata.
 *
 * launch_options_read() takes what the request alone can tell; launch_options_find() looks up, in the transaction, what
 * it names.  Every instance of the reservation gets the same. */
#include "cloud-controller/ec2/common.h"

#define USER_DATA_MAX 16384
#define GROUPS_MAX    5

struct launch_options {
    const struct ec2_run_instances_request *in;
    const struct ec2_interface_specification *interface; /* NULL: none was told */
    const char *subnet_id;         /* told with the instance or its interface */
    char *user_data;               /* base64; NULL: none */
    const char *metadata_tokens, *metadata_endpoint;
    uint64_t metadata_hops;
    /* found: */
    char *public_key;              /* with its name; NULL: none */
    store_groups groups;
    bool wants_public;
};

struct error *launch_options_read(const struct ec2_run_instances_request *in, struct launch_options *ret) _must_check_;
/* In the subnet that was chosen.  `has_public`: the cloud has public addresses. */
struct error *launch_options_find(struct launch_options *o, struct db_tx *tx, const struct store_subnet *subnet,
                                  bool has_public) _must_check_;
void launch_options_free(struct launch_options *o);
#endif
