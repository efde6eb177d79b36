/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/metadata/tree.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"

#define DOMAIN    "ec2.internal" /* as DescribeInstances names it */
#define ROOT_DISK "/dev/vda"

/* Adds a file, if there is something in it. */
static void file(json_t *folder, const char *name, const char *text)
{
    if (text && *text)
        json_set_string(folder, name, text);
}

static void copy(json_t *folder, const char *name, const json_t *body, const char *member)
{
    file(folder, name, json_get_string(body, member, NULL));
}

static void folder(json_t *parent, const char *name, json_t *content)
{
    if (json_object_size(content))
        json_set(parent, name, content);
    else
        json_decref(content);
}

char *tree_host_name(const char *address)
{
    char *name = xasprintf("ip-%s." DOMAIN, address);
    for (size_t k = 0; k < strlen(address) + 3; k++)
        if (name[k] == '.')
            name[k] = '-';
    return name;
}

/* The texts of a list, a line each; allocated. */
static char *lines(const json_t *list)
{
    struct str out = STR_INIT;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const char *text = json_string_value(json_array_get(list, k));
        if (text)
            str_printf(&out, "%s%s", out.len ? "\n" : "", text);
    }
    return str_take(&out);
}

static json_t *disks(void)
{
    json_t *o = json_object();
    file(o, "ami", ROOT_DISK);
    file(o, "root", ROOT_DISK);
    return o;
}

static json_t *card(const json_t *body, const char *host)
{
    json_t *o = json_object();
    const char *private = json_get_string(body, "address", NULL);
    const char *public = json_get_string(body, "public_address", NULL);
    _cleanup_free_ char *names = lines(json_object_get(body, "group_names"));
    _cleanup_free_ char *ids = lines(json_object_get(body, "groups"));
    json_t *associations = json_object();
    if (public)
        file(associations, public, private);
    file(o, "device-number", "0");
    copy(o, "interface-id", body, "eni");
    folder(o, "ipv4-associations", associations);
    file(o, "local-hostname", host);
    file(o, "local-ipv4s", private);
    copy(o, "mac", body, "mac");
    copy(o, "owner-id", body, "account");
    file(o, "public-ipv4s", public);
    file(o, "security-group-ids", ids);
    file(o, "security-groups", names);
    copy(o, "subnet-id", body, "subnet");
    copy(o, "subnet-ipv4-cidr-block", body, "subnet_cidr");
    copy(o, "vpc-id", body, "vpc");
    copy(o, "vpc-ipv4-cidr-block", body, "vpc_cidr");
    copy(o, "vpc-ipv4-cidr-blocks", body, "vpc_cidr");
    return o;
}

static json_t *network(const json_t *body, const char *host)
{
    json_t *o = json_object(), *interfaces = json_object(), *macs = json_object();
    const char *mac = json_get_string(body, "mac", NULL);
    if (mac)
        folder(macs, mac, card(body, host));
    folder(interfaces, "macs", macs);
    folder(o, "interfaces", interfaces);
    return o;
}

static json_t *placement(const json_t *body)
{
    json_t *o = json_object();
    copy(o, "availability-zone", body, "zone");
    copy(o, "region", body, "region");
    return o;
}

static json_t *keys(const json_t *body)
{
    json_t *o = json_object(), *key = json_object();
    copy(key, "openssh-key", body, "public_key");
    folder(o, "0", key);
    return o;
}

static json_t *services(void)
{
    json_t *o = json_object();
    file(o, "domain", "amazonaws.com");
    file(o, "partition", "aws");
    return o;
}

json_t *tree_meta_data(const struct id *instance, const json_t *body)
{
    json_t *o = json_object();
    const char *private = json_get_string(body, "address", NULL);
    _cleanup_free_ char *host = private ? tree_host_name(private) : NULL;
    _cleanup_free_ char *index = xasprintf("%ju", (uintmax_t)json_get_u64(body, "launch_index", 0));
    _cleanup_free_ char *names = lines(json_object_get(body, "group_names"));
    copy(o, "ami-id", body, "image");
    file(o, "ami-launch-index", index);
    file(o, "ami-manifest-path", "(unknown)");
    folder(o, "block-device-mapping", disks());
    file(o, "hostname", host);
    file(o, "instance-action", "none");
    file(o, "instance-id", instance->text);
    file(o, "instance-life-cycle", "on-demand");
    copy(o, "instance-type", body, "type");
    file(o, "local-hostname", host);
    file(o, "local-ipv4", private);
    copy(o, "mac", body, "mac");
    folder(o, "network", network(body, host));
    folder(o, "placement", placement(body));
    file(o, "profile", "default-hvm");
    copy(o, "public-ipv4", body, "public_address");
    folder(o, "public-keys", keys(body));
    copy(o, "reservation-id", body, "reservation");
    file(o, "security-groups", names);
    folder(o, "services", services());
    return o;
}

static void text_or_null(json_t *o, const char *name, const json_t *body, const char *member)
{
    json_set_string(o, name, json_get_string(body, member, NULL));
}

/* ISO 8601 to the second, as AWS writes it. */
static char *launch_time(const json_t *body)
{
    char *text = clock_iso8601((int64_t)json_get_u64(body, "launch_ms", 0));
    char *dot = strchr(text, '.');
    if (dot) {
        dot[0] = 'Z';
        dot[1] = '\0';
    }
    return text;
}

static char *document(const struct id *instance, const json_t *body)
{
    static const char *const nothing[] = {"billingProducts", "devpayProductCodes", "kernelId", "marketplaceProductCodes",
                                          "ramdiskId"};
    _cleanup_json_ json_t *o = json_object();
    _cleanup_free_ char *launched = launch_time(body);
    for (size_t k = 0; k < sizeof nothing / sizeof *nothing; k++)
        json_set_string(o, nothing[k], NULL);
    text_or_null(o, "accountId", body, "account");
    json_set_string(o, "architecture", "x86_64");
    text_or_null(o, "availabilityZone", body, "zone");
    text_or_null(o, "imageId", body, "image");
    json_set_string(o, "instanceId", instance->text);
    text_or_null(o, "instanceType", body, "type");
    json_set_string(o, "pendingTime", launched);
    text_or_null(o, "privateIp", body, "address");
    text_or_null(o, "region", body, "region");
    json_set_string(o, "version", "2017-09-30");
    char *text = json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (!text)
        abort();
    return text;
}

json_t *tree_dynamic(const struct id *instance, const json_t *body)
{
    json_t *o = json_object(), *identity = json_object();
    _cleanup_free_ char *text = document(instance, body);
    file(identity, "document", text);
    folder(o, "instance-identity", identity);
    return o;
}
