/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_HYPERVISOR_LIBVIRT_INTERNAL_H
#define NODE_CONTROLLER_HYPERVISOR_LIBVIRT_INTERNAL_H
/* Between libvirt.c (the connection) and libvirt-domain.c (what is asked of it). */
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include "node-controller/hypervisor/bounded.h"
#include "node-controller/hypervisor/hypervisor.h"
#include "node-controller/hypervisor/xml.h"

struct libvirt {
    struct hypervisor base;
    struct hypervisor_options o; /* its texts are owned */
    const struct xml_kind *kind;
    struct bounded *calls;
    pthread_t events, connector;
    bool events_run, connector_runs;
    int timer;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    virConnectPtr conn; /* NULL: none */
    bool lost, stop;
};

extern const struct hypervisor_ops libvirt_ops;

/* A reference of its own to the present connection, or NULL. */
virConnectPtr libvirt_connection(struct libvirt *h);
/* The calling thread's last libvirt error; ERROR_TIMEOUT where `conn` died, so that the outcome is unknown. */
struct error *libvirt_error(virConnectPtr conn, const char *what) _must_check_;
void libvirt_interrupt(struct hypervisor *base);
void libvirt_close(struct hypervisor *base);
#endif
