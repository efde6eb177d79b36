/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_EC2_COMMON_H
#define CLOUD_CONTROLLER_EC2_COMMON_H
/* What EC2's handlers share. */
#include "api/gen/ec2.h"
#include "cloud-controller/request.h"

typedef ARRAY(struct ec2_filter) ec2_filters;

/* True where `id` is the prefix and 8 or 17 hex digits. */
bool ec2_id_ok(const char *id, const char *prefix);

/* One filter's question about a resource: the values that it has under that name are looked at one by one. */
bool filter_any(const struct ec2_filter *f, const char *value);
/* Refuses filters whose name is neither in the NULL-terminated list nor, where `tags`, about tags. */
struct error *filters_check(const struct ec2_filter *filters, size_t len, const char *const *names, bool tags)
    _must_check_;
/* `*ret_about`: the filter is about tags (tag:KEY, tag-key, tag-value); the value: does the resource pass it? */
bool filter_tags(const struct ec2_filter *f, const store_tags *tags, bool *ret_about);

/* AWS's rules for a tag: key 1 to 128 characters not beginning with "aws:", value at most 256. */
struct error *tag_check(const struct ec2_tag *tag) _must_check_;
#define TAGS_MAX 50

/* Fills an answer's instance from its row. */
void ec2_instance_fill(const struct store_instance *row, const store_tags *tags, struct ec2_instance *ret);
void ec2_state_fill(struct ec2_instance_state **ret, int state);
#endif
