/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLOUD_CONTROLLER_EC2_COMMON_H
#define CLOUD_CONTROLLER_EC2_COMMON_H
/* What EC2's handlers share. */
#include "api/gen/ec2.h"
#include "cloud-controller/request.h"
#include "common/base/ipv4.h"

/* True where `id` is the prefix and 8 or 17 hex digits. */
bool ec2_id_ok(const char *id, const char *prefix);

/* ---- filters ----
 * A describe collects what one resource has under the names of its filters; a name may have several values.  Then
 * every filter must find one of its own values among those of its name. */
struct fact {
    const char *name; /* of a filter, borrowed */
    char *value;
};
typedef ARRAY(struct fact) facts;
void fact_add(facts *f, const char *name, const char *value); /* NULL: it has none */
void fact_flag(facts *f, const char *name, bool value);
void fact_number(facts *f, const char *name, int64_t value);
void fact_time(facts *f, const char *name, int64_t wall_ms);
void facts_free(facts *f);
/* Does the resource pass?  `tags` NULL: it has none. */
bool filters_pass(const struct ec2_filter *filters, size_t len, const facts *f, const store_tags *tags);
bool filter_any(const struct ec2_filter *f, const char *value);
/* Refuses filters whose name is neither in the NULL-terminated list nor, where `tags`, about tags. */
struct error *filters_check(const struct ec2_filter *filters, size_t len, const char *const *names, bool tags)
    _must_check_;
/* `*ret_about`: the filter is about tags (tag:KEY, tag-key, tag-value); the value: does the resource pass it? */
bool filter_tags(const struct ec2_filter *f, const store_tags *tags, bool *ret_about);

/* ---- tags ---- */
#define TAGS_MAX 50
/* AWS's rules for a tag: key 1 to 128 characters not beginning with "aws:", value at most 256. */
struct error *tag_check(const struct ec2_tag *tag) _must_check_;
/* Tags that a resource of this type is to be made with. */
struct error *tag_specs_check(const struct ec2_tag_specification *specs, size_t len, const char *type) _must_check_;
struct error *tag_specs_write(struct db_tx *tx, const struct ec2_tag_specification *specs, size_t len,
                              const char *account, const char *resource, const char *type) _must_check_;
/* All tags of a resource. */
struct error *tags_read(struct db_tx *tx, const char *account, const char *resource, store_tags *ret) _must_check_;
void tags_free(store_tags *tags);
#define _cleanup_tags_ _cleanup_(tags_free)
/* Into an answer's list of struct ec2_instance_tag. */
void tags_put(const store_tags *tags, void *list);
void tag_specs_put(const struct ec2_tag_specification *specs, size_t len, void *list);

/* ---- pages ---- */
struct page {
    struct id after; /* the last row that was looked at */
    size_t limit, shown;
    bool more;       /* rows are left */
};
#define PAGE_ROWS 200
/* `max_results` 0: as many as AWS shows, 1000. */
struct error *page_open(const struct request_ctx *ctx, int64_t max_results, const char *token, struct page *ret)
    _must_check_;
/* True where the row is to be looked at; false: it is for another page. */
bool page_takes(struct page *p, const struct id *row);
/* Runs the reader until the page is full or nothing is left; *ret_token is NULL behind the last page. */
struct error *page_read(const struct request_ctx *ctx, struct page *p, db_fn fn, void *arg, char **ret_token)
    _must_check_;

/* "mle1-az1": of the zone at that place in the configuration, from 0. */
char *ec2_zone_id(size_t ordinal);
/* A text of at most 255 of the characters that descriptions and names in a VPC may have. */
bool vpc_text_ok(const char *text);
#endif
