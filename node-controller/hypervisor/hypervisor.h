/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_HYPERVISOR_HYPERVISOR_H
#define NODE_CONTROLLER_HYPERVISOR_HYPERVISOR_H
/* The seam to what runs domains.
 *
 * A backend is one struct hypervisor_ops; libvirt.c is the one there is.  Opened once, a hypervisor keeps its
 * connection by itself: it connects on a thread of its own, says so through on_connected(), and after a loss comes
 * back.  Every operation blocks, up to its deadline, and is called from worker threads only; any number at a time, but
 * one at a time per instance.
 *
 * What an operation's error means, and nothing else may be read into it:
 *   ERROR_UNAVAILABLE  no connection: nothing was asked
 *   ERROR_TIMEOUT      the outcome is unknown: it may have happened, or happen yet.  While the call is still on its
 *                      way, start() and destroy() of that instance give this error again
 *   ERROR_DENIED       the domain of that id is not this cloud's: it was not touched
 *   any other          it did not happen
 *
 * A domain is this cloud's where its metadata says so.  Absence from list() is evidence only where list() succeeded,
 * and only for what was asked before it began. */
#include <stdint.h>
#include "common/base/array.h"
#include "common/base/error.h"
#include "common/base/id.h"

#define HYPERVISOR_NAMESPACE "https://mallee.dev/xmlns/instance/1"
#define HYPERVISOR_NAME_PREFIX "mallee-"
#define HYPERVISOR_UUID_LEN 36

enum hypervisor_capability {
    HYPERVISOR_RUNS_GUESTS = 1, /* the guest's code really runs: there is a console, a disk is used */
    HYPERVISOR_OWN_UID = 2,     /* a domain runs as a uid of its own */
    HYPERVISOR_TAP = 4,         /* takes network cards */
    HYPERVISOR_EVENTS = 8,      /* on_event() comes */
};

/* A network card: a tap made by the hypervisor, which whoever starts the domain moves to where it belongs before the
 * guest runs. */
struct domain_card {
    const char *tap; /* name of the device; NULL: no card */
    const char *mac;
    unsigned mtu;
};

struct domain_spec {
    struct id instance;
    struct id cloud;
    uint64_t generation;
    unsigned vcpus;
    uint64_t memory_mib;
    const char *disk;    /* qcow2 overlay, owned by uid:gid */
    const char *base;    /* its raw backing file; NULL: none */
    const char *console; /* file that the serial port is appended to */
    uint32_t uid, gid;   /* that the domain runs as */
    struct domain_card card;
    bool paused;         /* vCPUs do not run until resume() */
};

enum domain_state {
    DOMAIN_STARTING, /* known to the hypervisor, not running yet, or on its way down */
    DOMAIN_RUNNING,
    DOMAIN_PAUSED,
    DOMAIN_SHUTTING_DOWN,
    DOMAIN_CRASHED,
};

struct domain_info {
    char name[64];
    char uuid[HYPERVISOR_UUID_LEN + 1];
    struct id instance;  /* none: not one of ours */
    struct id cloud;     /* none: foreign */
    uint64_t generation;
    enum domain_state state;
};

struct domain_list {
    ARRAY(struct domain_info) domains;
};
void domain_list_free(struct domain_list *l);

enum domain_end {
    DOMAIN_STARTED,
    DOMAIN_SHUTDOWN,  /* the guest powered itself off */
    DOMAIN_DESTROYED,
    DOMAIN_ENDED_CRASHED,
    DOMAIN_FAILED,
    DOMAIN_REBOOTED, /* not an end: its guest began anew */
};

struct hypervisor_capacity {
    uint64_t cpus, memory_mib;
};

struct hypervisor_options {
    const char *uri;      /* "qemu:///system", "qemu+unix:///system?socket=…", "test:///default" */
    const char *kind;     /* domain type: "kvm", "qemu" or "test" */
    const char *emulator; /* path; NULL: the hypervisor's choice */
    const char *machine;  /* "pc", "q35"; NULL: "pc" */
    void *arg;            /* of the callbacks, which come from the backend's threads and must not block */
    void (*on_connected)(void *arg, bool connected);
    /* A hint: events get lost with a connection.  Who hears one lists. */
    void (*on_event)(void *arg, const struct id *instance, enum domain_end what);
};

struct hypervisor;

struct hypervisor_ops {
    const char *name;
    /* All domains, or an error: never a part of them. */
    struct error *(*list)(struct hypervisor *h, struct domain_list *ret);
    /* Starts the domain; one of the same instance and cloud that runs already is a success (adopted). After an error
     * other than the first two above nothing of it is left. */
    struct error *(*start)(struct hypervisor *h, const struct domain_spec *spec);
    struct error *(*resume)(struct hypervisor *h, const struct id *instance, const struct id *cloud);
    /* No vCPU of it runs afterwards and the hypervisor does not know it; one that was not there is a success. */
    struct error *(*destroy)(struct hypervisor *h, const struct id *instance, const struct id *cloud);
    /* Asks the guest; ERROR_NOT_FOUND where there is no such domain. */
    struct error *(*shutdown)(struct hypervisor *h, const struct id *instance, const struct id *cloud);
    /* Asks the guest to reboot; whether it does is told by the event DOMAIN_REBOOTED. */
    struct error *(*reboot)(struct hypervisor *h, const struct id *instance, const struct id *cloud);
    /* As by the reset button. */
    struct error *(*reset)(struct hypervisor *h, const struct id *instance, const struct id *cloud);
    struct error *(*capacity)(struct hypervisor *h, struct hypervisor_capacity *ret);
    void (*interrupt)(struct hypervisor *h);
    void (*close)(struct hypervisor *h);
};

struct hypervisor {
    const struct hypervisor_ops *ops;
    unsigned capabilities;
};

/* Returns at once; the connection comes later. */
struct error *libvirt_open(const struct hypervisor_options *o, struct hypervisor **ret) _must_check_;
/* For a quick stop: operations on their way, and later ones, end at once with ERROR_TIMEOUT.  Any thread. */
void hypervisor_interrupt(struct hypervisor *h);
/* With no operation on its way.  Ends within seconds, whatever the hypervisor does. No callback comes afterwards. */
void hypervisor_close(struct hypervisor *h);
DEFINE_CLEANUP(struct hypervisor *, hypervisor_close)

static inline struct error *hypervisor_list(struct hypervisor *h, struct domain_list *ret)
{
    return h->ops->list(h, ret);
}
static inline struct error *hypervisor_start(struct hypervisor *h, const struct domain_spec *spec)
{
    return h->ops->start(h, spec);
}
static inline struct error *hypervisor_resume(struct hypervisor *h, const struct id *instance,
                                              const struct id *cloud)
{
    return h->ops->resume(h, instance, cloud);
}
static inline struct error *hypervisor_destroy(struct hypervisor *h, const struct id *instance,
                                               const struct id *cloud)
{
    return h->ops->destroy(h, instance, cloud);
}
static inline struct error *hypervisor_shutdown(struct hypervisor *h, const struct id *instance,
                                                const struct id *cloud)
{
    return h->ops->shutdown(h, instance, cloud);
}
static inline struct error *hypervisor_reboot(struct hypervisor *h, const struct id *instance,
                                              const struct id *cloud)
{
    return h->ops->reboot(h, instance, cloud);
}
static inline struct error *hypervisor_reset(struct hypervisor *h, const struct id *instance,
                                             const struct id *cloud)
{
    return h->ops->reset(h, instance, cloud);
}
static inline struct error *hypervisor_capacity(struct hypervisor *h, struct hypervisor_capacity *ret)
{
    return h->ops->capacity(h, ret);
}

/* The uuid of an instance's domain: "ec2" in front, as guests look for, and always the same for one id. */
void hypervisor_uuid(const struct id *instance, char ret[HYPERVISOR_UUID_LEN + 1]);
#endif
