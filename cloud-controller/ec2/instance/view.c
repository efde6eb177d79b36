/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/instance/view.h"

struct error *instance_view_read(struct db_tx *tx, const struct store_instance *row, struct instance_view *ret)
{
    ret->row = row;
    RETURN_IF_ERROR(tags_read(tx, row->account.text, row->id.text, &ret->tags));
    return instance_view_attached(ret) ? store_instance_group_list(tx, row->id.text, &ret->groups) : NULL;
}

void instance_view_free(struct instance_view *v)
{
    tags_free(&v->tags);
    array_each(&v->groups, g)
        store_group_free(g);
    array_free(&v->groups);
}

bool instance_view_attached(const struct instance_view *v)
{
    return v->row->state != INSTANCE_TERMINATED;
}

struct error *instance_not_found(const char *ids, size_t count)
{
    return error_new(EC2_INVALID_INSTANCE_ID_NOT_FOUND, "The instance ID%s '%s' do%s not exist", count > 1 ? "s" : "",
                     ids, count > 1 ? "" : "es");
}

struct error *instance_check_ids(char *const *ids, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!ec2_id_ok(ids[i], "i-"))
            return error_new(EC2_INVALID_INSTANCE_ID_MALFORMED, "Invalid id: \"%.80s\"", ids[i]);
    }
    return NULL;
}

void instance_state_fill(struct ec2_instance_state **ret, int state)
{
    *ret = xnew0(struct ec2_instance_state);
    (*ret)->code = instance_state_code((enum instance_state)state);
    (*ret)->has_code = true;
    (*ret)->name = xstrdup(instance_state_name((enum instance_state)state));
}

void instance_groups_put(const struct instance_view *v, void *list)
{
    array_each(&v->groups, g) {
        struct ec2_group_identifier *to = api_list_add(list, sizeof *to);
        to->group_id = xstrdup(g->id.text);
        to->group_name = xstrdup(g->name);
    }
}

/* "ip-172-31-0-5.ec2.internal" */
static char *private_name(const struct store_instance *row)
{
    char *name = xasprintf("ip-%s.ec2.internal", row->private_ip);
    for (char *p = name; p < name + strlen("ip-") + strlen(row->private_ip); p++)
        *p = *p == '.' ? '-' : *p;
    return name;
}

/* ---- the interface ---- */

/* Its id follows from the interface's. */
static char *attachment_id(const struct store_instance *row)
{
    return xasprintf("eni-attach-%s", row->eni.text + strlen("eni-"));
}

static const char *attachment_status(const struct store_instance *row)
{
    return row->state == INSTANCE_PENDING         ? "attaching"
           : row->state == INSTANCE_SHUTTING_DOWN ? "detaching"
                                                  : "attached";
}

static struct ec2_interface_association *make_association(const struct store_instance *row)
{
    if (!row->public_ip)
        return NULL;
    struct ec2_interface_association *a = xnew0(struct ec2_interface_association);
    a->public_ip = xstrdup(row->public_ip);
    a->public_dns_name = xstrdup("");
    a->ip_owner_id = xstrdup("amazon"); /* what AWS says of addresses that come and go with the instance */
    return a;
}

static struct ec2_interface_attachment *make_attachment(const struct store_instance *row)
{
    struct ec2_interface_attachment *a = xnew0(struct ec2_interface_attachment);
    a->attachment_id = attachment_id(row);
    a->has_device_index = a->has_network_card_index = true;
    a->status = xstrdup(attachment_status(row));
    a->attach_time = row->launch_ms;
    a->delete_on_termination = true;
    a->has_attach_time = a->has_delete_on_termination = true;
    return a;
}

static void fill_interface(const struct instance_view *v, struct ec2_network_interface *ret)
{
    const struct store_instance *row = v->row;
    ret->network_interface_id = xstrdup(row->eni.text);
    ret->subnet_id = xstrdup(row->subnet.text);
    ret->vpc_id = xstrdup(row->vpc.text);
    ret->description = xstrdup("");
    ret->owner_id = xstrdup(row->account.text);
    ret->status = xstrdup("in-use");
    ret->mac_address = xstrdup(row->mac);
    ret->private_ip_address = xstrdup(row->private_ip);
    ret->private_dns_name = private_name(row);
    ret->source_dest_check = ret->has_source_dest_check = true;
    ret->interface_type = xstrdup("interface");
    instance_groups_put(v, &ret->group_set);
    ret->attachment = make_attachment(row);
    ret->association = make_association(row);
    struct ec2_interface_address *address = array_add(&ret->private_ip_addresses_set);
    address->private_ip_address = xstrdup(row->private_ip);
    address->private_dns_name = private_name(row);
    address->primary = address->has_primary = true;
    address->association = make_association(row);
}

void interface_view_fill(const struct instance_view *v, struct ec2_network_interface *ret)
{
    fill_interface(v, ret);
    ret->availability_zone = xstrdup(v->row->zone.text);
    ret->requester_managed = false;
    ret->has_requester_managed = true;
    ret->attachment->instance_id = xstrdup(v->row->id.text);
    ret->attachment->instance_owner_id = xstrdup(v->row->account.text);
}

/* Names of an interface's filters: DescribeInstances puts "network-interface." before them. */
#define INTERFACE_FILTERS(X)                                                                       \
    X("addresses.private-ip-address") X("addresses.primary") X("addresses.association.public-ip")  \
    X("addresses.association.ip-owner-id") X("addresses.association.owner-id")                     \
    X("association.allocation-id") X("association.association-id") X("association.ip-owner-id")    \
    X("association.public-ip") X("association.public-dns-name") X("attachment.attachment-id")      \
    X("attachment.attach-time") X("attachment.delete-on-termination") X("attachment.device-index") \
    X("attachment.instance-id") X("attachment.instance-owner-id") X("attachment.status")           \
    X("availability-zone") X("description") X("group-id") X("group-name") X("interface-type")      \
    X("ipv6-addresses.ipv6-address") X("mac-address") X("network-interface-id") X("owner-id")      \
    X("private-ip-address") X("private-dns-name") X("requester-id") X("requester-managed")         \
    X("source-dest-check") X("status") X("subnet-id") X("vpc-id")
#define PLAIN(name)    name,
#define PREFIXED(name) "network-interface." name,
const char *const interface_filter_names[] = {INTERFACE_FILTERS(PLAIN) NULL};
#define NAME(name) (prefixed ? "network-interface." name : name)

static void association_facts(const struct store_instance *row, bool prefixed, facts *f)
{
    if (!row->public_ip)
        return;
    fact_add(f, NAME("addresses.association.public-ip"), row->public_ip);
    fact_add(f, NAME("addresses.association.ip-owner-id"), "amazon");
    fact_add(f, NAME("addresses.association.owner-id"), "amazon");
    fact_add(f, NAME("association.ip-owner-id"), "amazon");
    fact_add(f, NAME("association.public-ip"), row->public_ip);
}

static void attachment_facts(const struct store_instance *row, bool prefixed, facts *f)
{
    _cleanup_free_ char *id = attachment_id(row);
    fact_add(f, NAME("attachment.attachment-id"), id);
    fact_time(f, NAME("attachment.attach-time"), row->launch_ms);
    fact_flag(f, NAME("attachment.delete-on-termination"), true);
    fact_number(f, NAME("attachment.device-index"), 0);
    fact_add(f, NAME("attachment.instance-id"), row->id.text);
    fact_add(f, NAME("attachment.instance-owner-id"), row->account.text);
    fact_add(f, NAME("attachment.status"), attachment_status(row));
}

static void interface_facts(const struct instance_view *v, bool prefixed, facts *f)
{
    const struct store_instance *row = v->row;
    _cleanup_free_ char *name = private_name(row);
    association_facts(row, prefixed, f);
    attachment_facts(row, prefixed, f);
    fact_add(f, NAME("addresses.private-ip-address"), row->private_ip);
    fact_flag(f, NAME("addresses.primary"), true);
    fact_add(f, NAME("availability-zone"), row->zone.text);
    fact_add(f, NAME("description"), "");
    fact_add(f, NAME("interface-type"), "interface");
    fact_add(f, NAME("mac-address"), row->mac);
    fact_add(f, NAME("network-interface-id"), row->eni.text);
    fact_add(f, NAME("owner-id"), row->account.text);
    fact_add(f, NAME("private-ip-address"), row->private_ip);
    fact_add(f, NAME("private-dns-name"), name);
    fact_flag(f, NAME("requester-managed"), false);
    fact_flag(f, NAME("source-dest-check"), true);
    fact_add(f, NAME("status"), "in-use");
    fact_add(f, NAME("subnet-id"), row->subnet.text);
    fact_add(f, NAME("vpc-id"), row->vpc.text);
    array_each(&v->groups, g) {
        fact_add(f, NAME("group-id"), g->id.text);
        fact_add(f, NAME("group-name"), g->name);
    }
}

void interface_view_facts(const struct instance_view *v, facts *f)
{
    interface_facts(v, false, f);
}

/* ---- the instance ---- */

static void fill_reason(const struct store_instance *row, struct ec2_instance *ret)
{
    ret->reason = xstrdup(row->reason_code ? row->reason_text : "");
    if (!row->reason_code)
        return;
    ret->state_reason = xnew0(struct ec2_state_reason);
    ret->state_reason->code = xstrdup(row->reason_code);
    ret->state_reason->message = xasprintf("%s: %s", row->reason_code, row->reason_text);
}

/* A public name that nothing resolves is not told. */
static void fill_network(const struct instance_view *v, struct ec2_instance *ret)
{
    ret->dns_name = xstrdup("");
    if (!instance_view_attached(v)) {
        ret->private_dns_name = xstrdup("");
        return;
    }
    ret->subnet_id = xstrdup(v->row->subnet.text);
    ret->vpc_id = xstrdup(v->row->vpc.text);
    ret->private_ip_address = xstrdup(v->row->private_ip);
    ret->private_dns_name = private_name(v->row);
    ret->ip_address = xstrdup(v->row->public_ip);
    ret->source_dest_check = ret->has_source_dest_check = true;
    instance_groups_put(v, &ret->group_set);
    fill_interface(v, array_add(&ret->network_interface_set));
}

static void fill_metadata(const struct store_instance *row, struct ec2_instance *ret)
{
    struct ec2_instance_metadata_options *m = xnew0(struct ec2_instance_metadata_options);
    m->state = xstrdup(row->state == INSTANCE_PENDING ? "pending" : "applied");
    m->http_tokens = xstrdup(row->metadata_tokens);
    m->http_put_response_hop_limit = (int64_t)row->metadata_hops;
    m->has_http_put_response_hop_limit = true;
    m->http_endpoint = xstrdup(row->metadata_endpoint);
    m->http_protocol_ipv6 = xstrdup("disabled");
    m->instance_metadata_tags = xstrdup("disabled");
    ret->metadata_options = m;
}

void instance_view_fill(const struct instance_view *v, struct ec2_instance *ret)
{
    const struct store_instance *row = v->row;
    ret->instance_id = xstrdup(row->id.text);
    ret->image_id = xstrdup(row->image.text);
    instance_state_fill(&ret->instance_state, row->state);
    fill_reason(row, ret);
    fill_network(v, ret);
    fill_metadata(row, ret);
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
    tags_put(&v->tags, &ret->tag_set);
}

const char *const instance_filter_names[] = {
    INTERFACE_FILTERS(PREFIXED) "affinity", "architecture", "availability-zone", "block-device-mapping.attach-time",
    "block-device-mapping.delete-on-termination", "block-device-mapping.device-name", "block-device-mapping.status",
    "block-device-mapping.volume-id", "capacity-reservation-id", "client-token", "dns-name", "group-id", "group-name",
    "hibernation-options.configured", "host-id", "hypervisor", "iam-instance-profile.arn", "image-id", "instance-id",
    "instance-lifecycle", "instance-state-code", "instance-state-name", "instance-type", "instance.group-id",
    "instance.group-name", "ip-address", "kernel-id", "key-name", "launch-index", "launch-time",
    "metadata-options.http-endpoint", "metadata-options.http-put-response-hop-limit", "metadata-options.http-tokens",
    "monitoring-state", "owner-id", "placement-group-name", "platform", "private-dns-name", "private-ip-address",
    "product-code", "product-code.type", "ramdisk-id", "reason", "requester-id", "reservation-id", "root-device-name",
    "root-device-type", "source-dest-check", "spot-instance-request-id", "state-reason-code", "state-reason-message",
    "subnet-id", "tenancy", "virtualization-type", "vpc-id", NULL};

static void network_facts(const struct instance_view *v, facts *f)
{
    _cleanup_free_ char *name = private_name(v->row);
    fact_add(f, "ip-address", v->row->public_ip);
    fact_add(f, "private-dns-name", name);
    fact_add(f, "private-ip-address", v->row->private_ip);
    fact_flag(f, "source-dest-check", true);
    fact_add(f, "subnet-id", v->row->subnet.text);
    fact_add(f, "vpc-id", v->row->vpc.text);
    array_each(&v->groups, g) {
        fact_add(f, "instance.group-id", g->id.text);
        fact_add(f, "instance.group-name", g->name);
    }
    interface_facts(v, true, f);
}

static void reason_facts(const struct store_instance *row, facts *f)
{
    if (!row->reason_code)
        return;
    _cleanup_free_ char *message = xasprintf("%s: %s", row->reason_code, row->reason_text);
    fact_add(f, "reason", row->reason_text);
    fact_add(f, "state-reason-code", row->reason_code);
    fact_add(f, "state-reason-message", message);
}

void instance_view_facts(const struct instance_view *v, facts *f)
{
    const struct store_instance *row = v->row;
    fact_add(f, "architecture", row->architecture);
    fact_add(f, "availability-zone", row->zone.text);
    fact_add(f, "client-token", row->client_token ? row->client_token : "");
    fact_add(f, "dns-name", "");
    fact_flag(f, "hibernation-options.configured", false);
    fact_add(f, "hypervisor", "xen");
    fact_add(f, "image-id", row->image.text);
    fact_add(f, "instance-id", row->id.text);
    fact_number(f, "instance-state-code", instance_state_code((enum instance_state)row->state));
    fact_add(f, "instance-state-name", instance_state_name((enum instance_state)row->state));
    fact_add(f, "instance-type", row->type.text);
    fact_add(f, "key-name", row->key_name);
    fact_number(f, "launch-index", (int64_t)row->launch_index);
    fact_time(f, "launch-time", row->launch_ms);
    fact_add(f, "metadata-options.http-endpoint", row->metadata_endpoint);
    fact_number(f, "metadata-options.http-put-response-hop-limit", (int64_t)row->metadata_hops);
    fact_add(f, "metadata-options.http-tokens", row->metadata_tokens);
    fact_add(f, "monitoring-state", "disabled");
    fact_add(f, "owner-id", row->account.text);
    fact_add(f, "reservation-id", row->reservation.text);
    fact_add(f, "root-device-name", "/dev/vda");
    fact_add(f, "root-device-type", "instance-store");
    fact_add(f, "tenancy", "default");
    fact_add(f, "virtualization-type", "hvm");
    reason_facts(row, f);
    if (instance_view_attached(v))
        network_facts(v, f);
}
