/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/hypervisor/xml.h"
#include <inttypes.h>

static const struct xml_kind kinds[] = {
    {"kvm", HYPERVISOR_RUNS_GUESTS | HYPERVISOR_OWN_UID | HYPERVISOR_TAP | HYPERVISOR_EVENTS, xml_build_qemu},
    {"qemu", HYPERVISOR_RUNS_GUESTS | HYPERVISOR_OWN_UID | HYPERVISOR_TAP | HYPERVISOR_EVENTS, xml_build_qemu},
    {"test", HYPERVISOR_EVENTS, xml_build_test},
};

const struct xml_kind *xml_kind_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (streq(kinds[i].kind, kind))
            return &kinds[i];
    return NULL;
}

void xml_add_identity(struct str *out, const struct domain_spec *spec)
{
    char uuid[HYPERVISOR_UUID_LEN + 1];
    hypervisor_uuid(&spec->instance, uuid);
    str_printf(out, "<name>" HYPERVISOR_NAME_PREFIX "%s</name><uuid>%s</uuid>", spec->instance.text, uuid);
    str_printf(out,
               "<metadata><mallee:instance xmlns:mallee='" HYPERVISOR_NAMESPACE "' cloud='%s' id='%s' "
               "generation='%" PRIu64 "'/></metadata>",
               spec->cloud.text, spec->instance.text, spec->generation);
    str_printf(out, "<memory unit='MiB'>%" PRIu64 "</memory><vcpu>%u</vcpu>", spec->memory_mib, spec->vcpus);
}

void xml_build_test(const struct hypervisor_options *o, const struct domain_spec *spec, struct str *out)
{
    (void)o;
    str_add(out, "<domain type='test'>");
    xml_add_identity(out, spec);
    str_add(out, "<os><type>hvm</type></os></domain>");
}

/* The value of an attribute; what we write needs no escapes, so one with '&' is not ours. */
static bool attribute(const char *element, const char *name, char *ret, size_t size)
{
    size_t len = strlen(name);
    for (const char *at = strstr(element, name); at; at = strstr(at + 1, name)) {
        char quote = at[len] == '=' ? at[len + 1] : '\0';
        if (at == element || at[-1] != ' ' || (quote != '"' && quote != '\''))
            continue;
        const char *value = at + len + 2;
        const char *end = strchr(value, quote);
        if (!end || (size_t)(end - value) >= size)
            return false;
        memcpy(ret, value, (size_t)(end - value));
        ret[end - value] = '\0';
        return true;
    }
    return false;
}

bool xml_read_metadata(const char *element, struct id *ret_instance, struct id *ret_cloud, uint64_t *ret_generation)
{
    char instance[ID_MAX + 1], cloud[ID_MAX + 1], generation[24];
    struct id i, c;
    if (!attribute(element, "id", instance, sizeof instance) || !attribute(element, "cloud", cloud, sizeof cloud) ||
        !attribute(element, "generation", generation, sizeof generation))
        return false;
    if (!id_parse(instance, &i) || !id_parse(cloud, &c))
        return false;
    struct error *e = parse_u64(generation, UINT64_MAX, ret_generation);
    if (e) {
        error_ignore(e);
        return false;
    }
    *ret_instance = i;
    *ret_cloud = c;
    return true;
}

/* The id's hex digits at the end where it is EC2's long form, else digits of an FNV-1a hash. */
void hypervisor_uuid(const struct id *instance, char ret[HYPERVISOR_UUID_LEN + 1])
{
    char digits[33] = "ec200000000000000000000000000000";
    const char *dash = strchr(instance->text, '-');
    size_t len = dash ? strlen(dash + 1) : 0;
    if (len && len <= 17 && strspn(dash + 1, "0123456789abcdef") == len) {
        memcpy(digits + 32 - len, dash + 1, len);
    } else {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (const char *p = instance->text; *p; p++)
            hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
        for (int i = 31; i >= 16; i--, hash >>= 4)
            digits[i] = "0123456789abcdef"[hash & 15];
        digits[3] = 'f'; /* apart from every uuid of the first form */
    }
    char *to = ret;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *to++ = '-';
        *to++ = digits[i];
    }
    *to = '\0';
}
