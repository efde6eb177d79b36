/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_EC2_INSTANCE_VIEW_H
#define CLOUD_CONTROLLER_EC2_INSTANCE_VIEW_H
/* An instance as users see it: its row with its tags and groups, put into answers and looked at by filters.
 *
 * Its one network interface is a part of it: there are none apart.  A terminated instance has neither interface nor
 * groups any more. */
#include "cloud-controller/ec2/common.h"

struct instance_view {
    const struct store_instance *row;
    store_tags tags;
    store_groups groups;
};

struct error *instance_view_read(struct db_tx *tx, const struct store_instance *row, struct instance_view *ret)
    _must_check_;
void instance_view_free(struct instance_view *v);
#define _cleanup_view_ _cleanup_(instance_view_free)
/* False once it is terminated. */
bool instance_view_attached(const struct instance_view *v);

void instance_view_fill(const struct instance_view *v, struct ec2_instance *ret);
void instance_view_facts(const struct instance_view *v, facts *f);
extern const char *const instance_filter_names[];

/* The interface alone, as DescribeNetworkInterfaces has it; its filters have no prefix there. */
void interface_view_fill(const struct instance_view *v, struct ec2_network_interface *ret);
void interface_view_facts(const struct instance_view *v, facts *f);
extern const char *const interface_filter_names[];

void instance_groups_put(const struct instance_view *v, void *list);
void instance_state_fill(struct ec2_instance_state **ret, int state);
/* "The instance ID 'i-1' does not exist", of one or several with commas between. */
struct error *instance_not_found(const char *ids, size_t count) _must_check_;
struct error *instance_check_ids(char *const *ids, size_t len) _must_check_;
#endif
