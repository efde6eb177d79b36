/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <errno.h>
#include <time.h>
#include "common/base/log.h"
#include "common/base/str.h"
#include "node-controller/hypervisor/libvirt-internal.h"

#define OPEN_DEADLINE_MS 15000
#define RETRY_MS 500
#define KEEPALIVE_S 5
#define KEEPALIVE_COUNT 3
#define LOOK_MS 250

/* libvirt's event loop is the process's, once. */
static void init_library(void)
{
    virInitialize();
    virEventRegisterDefaultImpl();
}

static void be_silent(void *arg, virErrorPtr e)
{
    (void)arg;
    (void)e;
}

/* The error is taken away first: any other call of the library forgets it. */
struct error *libvirt_error(virConnectPtr conn, const char *what)
{
    virErrorPtr last = virSaveLastError();
    const struct error_code *code = &ERROR_INTERNAL;
    if (last && last->code == VIR_ERR_NO_DOMAIN)
        code = &ERROR_NOT_FOUND;
    else if (!last || last->domain == VIR_FROM_RPC || last->code == VIR_ERR_RPC ||
             last->code == VIR_ERR_OPERATION_TIMEOUT || virConnectIsAlive(conn) != 1)
        code = &ERROR_TIMEOUT;
    struct error *e =
        error_new_code(code, "%s: %.400s", what, last && last->message ? last->message : "no reason given");
    virFreeError(last);
    return e;
}

virConnectPtr libvirt_connection(struct libvirt *h)
{
    pthread_mutex_lock(&h->lock);
    virConnectPtr conn = h->lost ? NULL : h->conn;
    if (conn)
        virConnectRef(conn);
    pthread_mutex_unlock(&h->lock);
    return conn;
}

static void nothing(int timer, void *arg)
{
    (void)timer;
    (void)arg;
}

static bool stopping(struct libvirt *h)
{
    pthread_mutex_lock(&h->lock);
    bool stop = h->stop;
    pthread_mutex_unlock(&h->lock);
    return stop;
}

static void *event_thread(void *arg)
{
    struct libvirt *h = arg;
    while (!stopping(h))
        if (virEventRunDefaultImpl() < 0)
            usleep(LOOK_MS * 1000);
    return NULL;
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
    struct libvirt *h = arg;
    pthread_mutex_lock(&h->lock);
    if (conn == h->conn) {
        h->lost = true;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->lock);
    log_warning("libvirt: the connection ended (%s)", reason == VIR_CONNECT_CLOSE_REASON_KEEPALIVE ? "no answer"
                                                      : reason == VIR_CONNECT_CLOSE_REASON_EOF     ? "closed"
                                                                                                    : "error");
}

static bool map_event(int event, int detail, enum domain_end *ret)
{
    if (event == VIR_DOMAIN_EVENT_STARTED)
        *ret = DOMAIN_STARTED;
    else if (event == VIR_DOMAIN_EVENT_CRASHED)
        *ret = DOMAIN_ENDED_CRASHED;
    else if (event != VIR_DOMAIN_EVENT_STOPPED)
        return false;
    else if (detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)
        *ret = DOMAIN_SHUTDOWN;
    else if (detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED)
        *ret = DOMAIN_ENDED_CRASHED;
    else if (detail == VIR_DOMAIN_EVENT_STOPPED_FAILED)
        *ret = DOMAIN_FAILED;
    else
        *ret = DOMAIN_DESTROYED;
    return true;
}

/* A stopped transient domain has no metadata any more: its name says whose it was. */
static void tell(struct libvirt *h, virDomainPtr dom, enum domain_end what)
{
    const char *name = virDomainGetName(dom);
    struct id instance;
    if (name && str_starts(name, HYPERVISOR_NAME_PREFIX) && h->o.on_event &&
        id_parse(name + strlen(HYPERVISOR_NAME_PREFIX), &instance))
        h->o.on_event(h->o.arg, &instance, what);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
    (void)conn;
    enum domain_end what;
    if (map_event(event, detail, &what))
        tell(arg, dom, what);
    return 0;
}

static int on_reboot(virConnectPtr conn, virDomainPtr dom, void *arg)
{
    (void)conn;
    tell(arg, dom, DOMAIN_REBOOTED);
    return 0;
}

static bool register_events(struct libvirt *h, virConnectPtr conn)
{
    return virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                            VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), h, NULL) >= 0 &&
           virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_REBOOT,
                                            VIR_DOMAIN_EVENT_CALLBACK(on_reboot), h, NULL) >= 0;
}

struct opening {
    char *uri;
    virConnectPtr conn;
};

static struct error *open_call(void *arg)
{
    struct opening *o = arg;
    o->conn = virConnectOpen(o->uri);
    if (o->conn)
        return NULL;
    virErrorPtr last = virGetLastError();
    return error_new(ERROR_UNAVAILABLE, "connecting to %s: %.300s", o->uri,
                     last && last->message ? last->message : "no reason given");
}

static void use_opened(void *arg, void *to)
{
    struct opening *o = arg;
    *(virConnectPtr *)to = o->conn;
    o->conn = NULL;
}

static void free_opening(void *arg)
{
    struct opening *o = arg;
    if (o->conn)
        virConnectClose(o->conn);
    free(o->uri);
    free(o);
}

static struct error *connect_once(struct libvirt *h, virConnectPtr *ret)
{
    struct opening *o = xnew0(struct opening);
    o->uri = xstrdup(h->o.uri);
    virConnectPtr conn = NULL;
    RETURN_IF_ERROR(
        bounded_run(h->calls, "connect", OPEN_DEADLINE_MS, open_call, use_opened, &conn, o, free_opening));
    /* Drivers inside the process have neither keepalive nor a connection to lose. */
    virConnectSetKeepAlive(conn, KEEPALIVE_S, KEEPALIVE_COUNT);
    virConnectRegisterCloseCallback(conn, on_close, h, NULL);
    if (!register_events(h, conn)) {
        struct error *e = libvirt_error(conn, "asking for events");
        virConnectUnregisterCloseCallback(conn, on_close);
        virConnectClose(conn);
        return e;
    }
    *ret = conn;
    return NULL;
}

static void announce(struct libvirt *h, bool connected)
{
    if (connected)
        log_info("libvirt: connected to %s", h->o.uri);
    if (h->o.on_connected)
        h->o.on_connected(h->o.arg, connected);
}

/* With the lock held; returns with it. */
static void pause_ms(struct libvirt *h, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&h->changed, &h->lock, &until);
}

static bool try_connect(struct libvirt *h)
{
    virConnectPtr conn = NULL;
    struct error *e = connect_once(h, &conn);
    if (e) {
        log_failure(LOG_WARNING, e, "libvirt");
        return false;
    }
    pthread_mutex_lock(&h->lock);
    h->conn = conn;
    /* It may have gone before on_close() could know it as ours. */
    h->lost = virConnectIsAlive(conn) != 1;
    pthread_mutex_unlock(&h->lock);
    announce(h, true);
    return true;
}

static void drop(struct libvirt *h)
{
    pthread_mutex_lock(&h->lock);
    virConnectPtr conn = h->conn;
    h->conn = NULL;
    h->lost = false;
    pthread_mutex_unlock(&h->lock);
    virConnectUnregisterCloseCallback(conn, on_close);
    virConnectClose(conn);
    announce(h, false);
}

static void *connector_thread(void *arg)
{
    struct libvirt *h = arg;
    while (!stopping(h)) {
        bool connected = try_connect(h);
        pthread_mutex_lock(&h->lock);
        while (connected && !h->lost && !h->stop)
            pthread_cond_wait(&h->changed, &h->lock);
        bool lost = connected && h->lost;
        if (!h->stop && !lost)
            pause_ms(h, RETRY_MS);
        pthread_mutex_unlock(&h->lock);
        if (lost)
            drop(h);
    }
    return NULL;
}

static void free_handle(struct libvirt *h)
{
    free((char *)(uintptr_t)h->o.uri);
    free((char *)(uintptr_t)h->o.kind);
    free((char *)(uintptr_t)h->o.emulator);
    free((char *)(uintptr_t)h->o.machine);
    pthread_mutex_destroy(&h->lock);
    pthread_cond_destroy(&h->changed);
    free(h);
}

void libvirt_interrupt(struct hypervisor *base)
{
    bounded_cancel(((struct libvirt *)base)->calls);
}

static void stop_threads(struct libvirt *h)
{
    bounded_cancel(h->calls);
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    if (h->connector_runs)
        pthread_join(h->connector, NULL);
    if (h->events_run)
        pthread_join(h->events, NULL);
}

void libvirt_close(struct hypervisor *base)
{
    struct libvirt *h = (struct libvirt *)base;
    stop_threads(h);
    if (h->timer >= 0)
        virEventRemoveTimeout(h->timer);
    if (h->conn) {
        virConnectUnregisterCloseCallback(h->conn, on_close);
        virConnectClose(h->conn);
    }
    bounded_free(h->calls);
    free_handle(h);
}

void hypervisor_interrupt(struct hypervisor *h)
{
    h->ops->interrupt(h);
}

void hypervisor_close(struct hypervisor *h)
{
    if (h)
        h->ops->close(h);
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static struct libvirt *new_handle(const struct hypervisor_options *o, const struct xml_kind *kind)
{
    struct libvirt *h = xnew0(struct libvirt);
    pthread_condattr_t attr;
    h->base = (struct hypervisor){&libvirt_ops, kind->capabilities};
    h->kind = kind;
    h->o = *o;
    h->o.uri = xstrdup(o->uri);
    h->o.kind = xstrdup(o->kind);
    h->o.emulator = copy(o->emulator);
    h->o.machine = copy(o->machine);
    h->calls = bounded_new();
    h->timer = -1;
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&h->changed, &attr);
    pthread_condattr_destroy(&attr);
    return h;
}

struct error *libvirt_open(const struct hypervisor_options *o, struct hypervisor **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct xml_kind *kind = xml_kind_find(o->kind);
    if (!kind)
        return error_new(ERROR_INVALID, "there is no kind of domain '%.40s'", o->kind);
    pthread_once(&once, init_library);
    virSetErrorFunc(NULL, be_silent);
    struct libvirt *h = new_handle(o, kind);
    /* Lets the event thread look whether it is to end. */
    h->timer = virEventAddTimeout(LOOK_MS, nothing, NULL, NULL);
    int rc = pthread_create(&h->events, NULL, event_thread, h);
    h->events_run = rc == 0;
    if (!rc)
        rc = pthread_create(&h->connector, NULL, connector_thread, h);
    h->connector_runs = rc == 0;
    if (rc) {
        libvirt_close(&h->base);
        return error_errno(rc, "starting libvirt's threads");
    }
    *ret = &h->base;
    return NULL;
}
