/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_EC2_GROUP_GROUP_H
#define CLOUD_CONTROLLER_EC2_GROUP_GROUP_H
/* Security groups: how requests name them, and how nodes come to hold them.
 *
 * A group and a subnet's map are shared objects of the model (core/cloud.h): whoever changes a group's rows says so in the
 * same change, last, and every node with an instance in it gets it anew; cloud-controller/shared-body.h builds what
 * it gets. */
#include "cloud-controller/ec2/common.h"

/* By id or by name in the default VPC: exactly one of them. */
struct error *group_check_names(const char *id, const char *name) _must_check_;
/* The account's group by id, else by name in the default VPC. Fails with InvalidGroup.NotFound. */
struct error *group_find(struct db_tx *tx, const char *account, const char *id, const char *name,
                         struct store_group *ret) _must_check_;

/* Tells the model that the group's rules changed, or that there is such a group. */
struct error *group_share(struct db_tx *tx, struct cloud_model *c, const char *group) _must_check_;
void group_unshare(struct cloud_model *c, const char *group);
/* Makes the account's groups and subnets known to the model, those that are not. */
struct error *network_share(struct db_tx *tx, struct cloud_model *c, const char *account) _must_check_;
#endif
