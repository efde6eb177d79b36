/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/instance/options.h"
#include <ctype.h>
#include "cloud-controller/ec2/group/group.h"
#include "common/crypto/base64.h"

void launch_options_free(struct launch_options *o)
{
    array_each(&o->groups, g)
        store_group_free(g);
    array_free(&o->groups);
    free(o->user_data);
    free(o->public_key);
}

/* ---- what the request alone can tell ---- */

static struct error *read_user_data(const char *text, char **ret)
{
    _cleanup_str_ struct str plain = STR_INIT;
    _cleanup_free_ unsigned char *data = NULL;
    size_t len = 0;
    for (const char *p = text ? text : ""; *p; p++) {
        if (!isspace((unsigned char)*p))
            str_add_char(&plain, *p);
    }
    if (!plain.len)
        return NULL;
    struct error *e = base64_decode(plain.data, plain.len, &data, &len);
    if (e)
        return error_recode(e, &EC2_INVALID_USER_DATA_MALFORMED, "Invalid BASE64 encoding of user data.");
    if (len > USER_DATA_MAX)
        return error_new(API_INVALID_PARAMETER_VALUE, "User data is limited to %d bytes", USER_DATA_MAX);
    *ret = str_take(&plain);
    return NULL;
}

/* One of two words; NULL is the first. */
static struct error *read_word(const char *name, const char *text, const char *first, const char *second,
                               const char **ret)
{
    if (text && !streq(text, first) && !streq(text, second))
        return error_new(API_INVALID_PARAMETER_VALUE, "Value (%.40s) for parameter %s is invalid. Valid values: %s, %s.",
                         text, name, first, second);
    *ret = text && streq(text, second) ? second : first;
    return NULL;
}

static struct error *read_metadata(const struct ec2_metadata_options *in, struct launch_options *ret)
{
    static const struct ec2_metadata_options none = {0};
    const char *ipv6, *tags;
    in = in ? in : &none;
    RETURN_IF_ERROR(read_word("HttpTokens", in->http_tokens, "optional", "required", &ret->metadata_tokens));
    RETURN_IF_ERROR(read_word("HttpEndpoint", in->http_endpoint, "enabled", "disabled", &ret->metadata_endpoint));
    RETURN_IF_ERROR(read_word("HttpProtocolIpv6", in->http_protocol_ipv6, "disabled", "enabled", &ipv6));
    RETURN_IF_ERROR(read_word("InstanceMetadataTags", in->instance_metadata_tags, "disabled", "enabled", &tags));
    if (streq(ipv6, "enabled") || streq(tags, "enabled"))
        return error_new(API_UNSUPPORTED_OPERATION, "Metadata over IPv6 and tags in metadata are not supported here.");
    ret->metadata_hops = in->has_http_put_response_hop_limit ? (uint64_t)in->http_put_response_hop_limit : 1;
    return NULL;
}

static struct error *check_interface(const struct ec2_interface_specification *i)
{
    if (!i->has_device_index)
        return error_new(API_MISSING_PARAMETER, "The request must contain the parameter NetworkInterface.1.DeviceIndex");
    if (i->device_index != 0)
        return error_new(API_INVALID_PARAMETER_VALUE, "An instance has one network interface: its device index is 0.");
    if (i->has_delete_on_termination && !i->delete_on_termination)
        return error_new(API_UNSUPPORTED_OPERATION,
                         "A network interface goes with its instance: DeleteOnTermination=false is not supported here.");
    if (i->interface_type && !streq(i->interface_type, "interface"))
        return error_new(API_UNSUPPORTED_OPERATION, "The interface type '%.40s' is not supported here.",
                         i->interface_type);
    return NULL;
}

static struct error *read_interface(const struct ec2_run_instances_request *in, struct launch_options *ret)
{
    ret->subnet_id = in->subnet_id;
    if (!in->network_interface.len)
        return NULL;
    if (in->network_interface.len > 1)
        return error_new(API_UNSUPPORTED_OPERATION, "An instance has one network interface here.");
    if (in->subnet_id)
        return error_new(API_INVALID_PARAMETER_COMBINATION, "Network interfaces and an instance-level subnet ID may not "
                                                            "be specified on the same request");
    if (in->security_group.len || in->security_group_id.len)
        return error_new(API_INVALID_PARAMETER_COMBINATION, "Network interfaces and an instance-level security groups "
                                                            "may not be specified on the same request");
    ret->interface = &in->network_interface.data[0];
    ret->subnet_id = ret->interface->subnet_id;
    return check_interface(ret->interface);
}

static struct error *check_group_ids(char *const *ids, size_t len)
{
    for (size_t i = 0; i < len; i++)
        RETURN_IF_ERROR(group_check_names(ids[i], NULL));
    return NULL;
}

struct error *launch_options_read(const struct ec2_run_instances_request *in, struct launch_options *ret)
{
    ret->in = in;
    RETURN_IF_ERROR(read_user_data(in->user_data, &ret->user_data));
    RETURN_IF_ERROR(read_metadata(in->metadata_options, ret));
    RETURN_IF_ERROR(read_interface(in, ret));
    if (ret->interface)
        RETURN_IF_ERROR(check_group_ids(ret->interface->security_group_id.data, ret->interface->security_group_id.len));
    return check_group_ids(in->security_group_id.data, in->security_group_id.len);
}

/* ---- in the transaction ---- */

static struct error *find_key(struct launch_options *o, struct db_tx *tx, const char *account)
{
    struct store_key_pair key = {0};
    if (!o->in->key_name)
        return NULL;
    struct error *e = store_key_pair_get(tx, account, o->in->key_name, &key);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_recode(e, &EC2_INVALID_KEY_PAIR_NOT_FOUND, "The key pair '%.255s' does not exist", o->in->key_name);
    if (!e)
        o->public_key = xasprintf("%s %s", key.public_key, key.name);
    store_key_pair_free(&key);
    return e;
}

static bool has_group(const struct launch_options *o, const struct id *id)
{
    array_each(&o->groups, g) {
        if (id_eq(&g->id, id))
            return true;
    }
    return false;
}

static struct error *add_group(struct launch_options *o, struct db_tx *tx, const struct store_subnet *subnet,
                               const char *id, const char *name)
{
    struct store_group g = {0};
    RETURN_IF_ERROR(group_find(tx, subnet->account.text, id, name, &g));
    struct error *e = NULL;
    if (!id_eq(&g.vpc, &subnet->vpc))
        e = error_new(EC2_INVALID_GROUP_NOT_FOUND, "Security group %s and subnet %s belong to different networks.",
                      g.id.text, subnet->id.text);
    if (!e && !has_group(o, &g.id)) {
        array_push(&o->groups, g);
        return NULL;
    }
    store_group_free(&g);
    return e;
}

static struct error *find_groups(struct launch_options *o, struct db_tx *tx, const struct store_subnet *subnet)
{
    if (o->interface) {
        array_each(&o->interface->security_group_id, id)
            RETURN_IF_ERROR(add_group(o, tx, subnet, *id, NULL));
    }
    array_each(&o->in->security_group_id, id)
        RETURN_IF_ERROR(add_group(o, tx, subnet, *id, NULL));
    array_each(&o->in->security_group, name)
        RETURN_IF_ERROR(add_group(o, tx, subnet, NULL, *name));
    if (o->groups.len > GROUPS_MAX)
        return error_new(EC2_SECURITY_GROUPS_PER_INTERFACE_LIMIT_EXCEEDED,
                         "The maximum number of security groups per interface has been reached: %d", GROUPS_MAX);
    return o->groups.len ? NULL : store_group_by_name(tx, subnet->vpc.text, STORE_GROUP_DEFAULT, array_add(&o->groups));
}

struct error *launch_options_find(struct launch_options *o, struct db_tx *tx, const struct store_subnet *subnet,
                                  bool has_public)
{
    bool told = o->interface && o->interface->has_associate_public_ip_address;
    RETURN_IF_ERROR(find_key(o, tx, subnet->account.text));
    RETURN_IF_ERROR(find_groups(o, tx, subnet));
    o->wants_public = told ? o->interface->associate_public_ip_address : subnet->is_default && has_public;
    if (o->wants_public && !has_public)
        return error_new(API_UNSUPPORTED_OPERATION, "This cloud has no public addresses.");
    return NULL;
}
