/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_HYPERVISOR_XML_H
#define NODE_CONTROLLER_HYPERVISOR_XML_H
/* libvirt's XML for a domain, one builder per kind; pure. */
#include "common/base/str.h"
#include "node-controller/hypervisor/hypervisor.h"

struct xml_kind {
    const char *kind;
    unsigned capabilities;
    void (*build)(const struct hypervisor_options *o, const struct domain_spec *spec, struct str *out);
};

/* NULL: there is no builder for it. */
const struct xml_kind *xml_kind_find(const char *kind);

/* For builders: the parts that all kinds share. */
void xml_add_identity(struct str *out, const struct domain_spec *spec);
void xml_build_qemu(const struct hypervisor_options *o, const struct domain_spec *spec, struct str *out);
void xml_build_test(const struct hypervisor_options *o, const struct domain_spec *spec, struct str *out);

/* Reads what xml_add_identity() put into the metadata; false where `element` is not ours. */
bool xml_read_metadata(const char *element, struct id *ret_instance, struct id *ret_cloud, uint64_t *ret_generation);
#endif
