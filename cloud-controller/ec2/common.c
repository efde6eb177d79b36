/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"

bool ec2_id_ok(const char *id, const char *prefix)
{
    if (!str_starts(id, prefix))
        return false;
    const char *digits = id + strlen(prefix);
    size_t len = strspn(digits, "0123456789abcdef");
    return !digits[len] && (len == 8 || len == 17);
}

bool filter_any(const struct ec2_filter *f, const char *value)
{
    for (size_t i = 0; value && i < f->value.len; i++) {
        if (filter_matches(f->value.data[i], value))
            return true;
    }
    return false;
}

struct error *filters_check(const struct ec2_filter *filters, size_t len, const char *const *names, bool tags)
{
    size_t values = 0;
    for (size_t i = 0; i < len; i++) {
        const char *name = filters[i].name;
        bool known = tags && (str_starts(name, "tag:") || streq(name, "tag-key") || streq(name, "tag-value"));
        for (size_t k = 0; names[k]; k++)
            known |= streq(name, names[k]);
        if (!known)
            return error_new(API_INVALID_PARAMETER_VALUE, "The filter '%.80s' is invalid", name);
        if (!filters[i].value.len)
            return error_new(API_INVALID_PARAMETER_VALUE, "The filter '%.80s' has no values", name);
        values += filters[i].value.len;
    }
    if (values > 200)
        return error_new(API_INVALID_PARAMETER_VALUE, "A request may have at most 200 filter values.");
    return NULL;
}

bool filter_tags(const struct ec2_filter *f, const store_tags *tags, bool *ret_about)
{
    bool key = streq(f->name, "tag-key"), value = streq(f->name, "tag-value");
    const char *named = str_starts(f->name, "tag:") ? f->name + 4 : NULL;
    *ret_about = key || value || named;
    array_each(tags, tag) {
        if ((key && filter_any(f, tag->key)) || (value && filter_any(f, tag->value)) ||
            (named && streq(tag->key, named) && filter_any(f, tag->value)))
            return true;
    }
    return false;
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        n += (*p & 0xc0) != 0x80;
    return n;
}

struct error *tag_check(const struct ec2_tag *tag)
{
    const char *key = tag->key ? tag->key : "", *value = tag->value ? tag->value : "";
    if (!*key || characters(key) > 128)
        return error_new(API_INVALID_PARAMETER_VALUE, "Tag key must have 1 to 128 characters.");
    if (str_starts(key, "aws:"))
        return error_new(API_INVALID_PARAMETER_VALUE, "Tag keys starting with 'aws:' are reserved.");
    if (characters(value) > 256)
        return error_new(API_INVALID_PARAMETER_VALUE, "Tag value exceeds the maximum length of 256 characters.");
    return NULL;
}

void ec2_state_fill(struct ec2_instance_state **ret, int state)
{
    *ret = xnew0(struct ec2_instance_state);
    (*ret)->code = instance_state_code((enum instance_state)state);
    (*ret)->has_code = true;
    (*ret)->name = xstrdup(instance_state_name((enum instance_state)state));
}

static void fill_reason(const struct store_instance *row, struct ec2_instance *ret)
{
    if (!row->reason_code)
        return;
    ret->state_reason = xnew0(struct ec2_state_reason);
    ret->state_reason->code = xstrdup(row->reason_code);
    ret->state_reason->message = xasprintf("%s: %s", row->reason_code, row->reason_text);
    ret->reason = xstrdup(row->reason_text);
}

static void fill_network(const struct store_instance *row, struct ec2_instance *ret)
{
    ret->dns_name = xstrdup("");
    if (row->state == INSTANCE_TERMINATED)
        return;
    ret->subnet_id = xstrdup(row->subnet.text);
    ret->vpc_id = xstrdup(row->vpc.text);
    ret->private_ip_address = xstrdup(row->private_ip);
    ret->private_dns_name = xasprintf("ip-%s.ec2.internal", row->private_ip);
    for (char *p = ret->private_dns_name; *p && *p != 'e'; p++) {
        if (*p == '.' && p[1] != 'e')
            *p = '-';
    }
}

void ec2_instance_fill(const struct store_instance *row, const store_tags *tags, struct ec2_instance *ret)
{
    ret->instance_id = xstrdup(row->id.text);
    ret->image_id = xstrdup(row->image.text);
    ec2_state_fill(&ret->instance_state, row->state);
    fill_reason(row, ret);
    fill_network(row, ret);
    ret->key_name = xstrdup(row->key_name);
    ret->ami_launch_index = (int64_t)row->launch_index;
    ret->has_ami_launch_index = true;
    ret->instance_type = xstrdup(row->type.text);
    ret->launch_time = row->launch_ms;
    ret->has_launch_time = true;
    ret->placement = xnew0(struct ec2_instance_placement);
    ret->placement->availability_zone = xstrdup(row->zone.text);
    ret->placement->group_name = xstrdup("");
    ret->placement->tenancy = xstrdup("default");
    ret->monitoring = xnew0(struct ec2_instance_monitoring);
    ret->monitoring->state = xstrdup("disabled");
    ret->architecture = xstrdup(row->architecture);
    ret->root_device_type = xstrdup("instance-store");
    ret->root_device_name = xstrdup("/dev/vda");
    ret->virtualization_type = xstrdup("hvm");
    ret->hypervisor = xstrdup("xen"); /* what AWS says of every machine; its enumeration has no other */
    ret->client_token = xstrdup(row->client_token ? row->client_token : "");
    ret->ebs_optimized = false;
    ret->has_ebs_optimized = true;
    array_each(tags, tag) {
        struct ec2_instance_tag *t = array_add(&ret->tag_set);
        t->key = xstrdup(tag->key);
        t->value = xstrdup(tag->value);
    }
}
