/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <stdio.h>
#include "common/base/str.h"
#include "node-controller/hypervisor/libvirt-internal.h"

#define CALL_MS 30000
#define START_MS 120000

/* One operation on its way; owned by the bounded call. */
struct op {
    virConnectPtr conn;
    struct id instance, cloud;
    char *xml;
    unsigned flags;
    struct domain_list list;
    struct hypervisor_capacity capacity;
};

static void domain_freep(virDomainPtr *d)
{
    if (*d)
        virDomainFree(*d);
}
#define _cleanup_domain_ _cleanup_(domain_freep)

void domain_list_free(struct domain_list *l)
{
    array_free(&l->domains);
}

static void op_free(void *arg)
{
    struct op *op = arg;
    if (op->conn)
        virConnectClose(op->conn);
    domain_list_free(&op->list);
    free(op->xml);
    free(op);
}

static struct error *run(struct hypervisor *base, struct op *op, int64_t deadline_ms, struct error *(*fn)(void *),
                         void (*use)(void *, void *), void *to)
{
    struct libvirt *h = (struct libvirt *)base;
    op->conn = libvirt_connection(h);
    if (!op->conn) {
        op_free(op);
        return error_new(ERROR_UNAVAILABLE, "no connection to %s", h->o.uri);
    }
    return bounded_run(h->calls, op->instance.text, deadline_ms, fn, use, to, op, op_free);
}

static bool last_is(int code)
{
    virErrorPtr last = virGetLastError();
    return last && last->code == code;
}

/* *ret is NULL where libvirt knows no such domain. */
static struct error *look_up(struct op *op, virDomainPtr *ret)
{
    char uuid[HYPERVISOR_UUID_LEN + 1];
    hypervisor_uuid(&op->instance, uuid);
    *ret = virDomainLookupByUUIDString(op->conn, uuid);
    if (*ret || last_is(VIR_ERR_NO_DOMAIN))
        return NULL;
    return libvirt_error(op->conn, "looking for the domain");
}

static struct error *read_identity(virConnectPtr conn, virDomainPtr dom, struct domain_info *info)
{
    _cleanup_free_ char *element = virDomainGetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, HYPERVISOR_NAMESPACE, 0);
    if (!element && !last_is(VIR_ERR_NO_DOMAIN_METADATA))
        return libvirt_error(conn, "reading a domain's metadata");
    if (element)
        xml_read_metadata(element, &info->instance, &info->cloud, &info->generation);
    return NULL;
}

/* The cloud's own domain of op->instance; *ret is NULL where there is none, ERROR_DENIED where it is another's. */
static struct error *find_own(struct op *op, virDomainPtr *ret)
{
    _cleanup_domain_ virDomainPtr dom = NULL;
    struct domain_info info = {0};
    RETURN_IF_ERROR(look_up(op, &dom));
    if (!dom) {
        *ret = NULL;
        return NULL;
    }
    struct error *e = read_identity(op->conn, dom, &info);
    if (error_is(e, &ERROR_NOT_FOUND)) {
        error_ignore(e);
        *ret = NULL;
        return NULL;
    }
    if (e)
        return e;
    if (!id_eq(&info.instance, &op->instance) || !id_eq(&info.cloud, &op->cloud))
        return error_new(ERROR_DENIED, "the domain of %s is not this cloud's", op->instance.text);
    *ret = TAKE_PTR(dom);
    return NULL;
}

static enum domain_state map_state(int state, int reason)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        return DOMAIN_RUNNING;
    case VIR_DOMAIN_PAUSED:
        return reason == VIR_DOMAIN_PAUSED_STARTING_UP ? DOMAIN_STARTING : DOMAIN_PAUSED;
    case VIR_DOMAIN_PMSUSPENDED:
        return DOMAIN_PAUSED;
    case VIR_DOMAIN_SHUTDOWN:
        return DOMAIN_SHUTTING_DOWN;
    case VIR_DOMAIN_CRASHED:
        return DOMAIN_CRASHED;
    default:
        return DOMAIN_STARTING;
    }
}

static struct error *read_domain(virConnectPtr conn, virDomainPtr dom, struct domain_info *info)
{
    int state, reason;
    memset(info, 0, sizeof *info);
    snprintf(info->name, sizeof info->name, "%s", virDomainGetName(dom));
    if (virDomainGetUUIDString(dom, info->uuid) < 0 || virDomainGetState(dom, &state, &reason, 0) < 0)
        return libvirt_error(conn, "reading a domain's state");
    info->state = map_state(state, reason);
    return read_identity(conn, dom, info);
}

static struct error *list_call(void *arg)
{
    struct op *op = arg;
    virDomainPtr *all = NULL;
    int n = virConnectListAllDomains(op->conn, &all, 0);
    if (n < 0)
        return libvirt_error(op->conn, "listing domains");
    struct error *e = NULL;
    for (int i = 0; i < n; i++) {
        struct domain_info info;
        if (!e)
            e = read_domain(op->conn, all[i], &info);
        if (!e)
            array_push(&op->list.domains, info);
        else if (error_is(e, &ERROR_NOT_FOUND))
            e = error_free(e); /* it went while we looked */
        virDomainFree(all[i]);
    }
    free(all);
    return e;
}

static void use_list(void *arg, void *to)
{
    struct op *op = arg;
    *(struct domain_list *)to = op->list;
    memset(&op->list, 0, sizeof op->list);
}

static struct error *libvirt_list(struct hypervisor *h, struct domain_list *ret)
{
    return run(h, xnew0(struct op), CALL_MS, list_call, use_list, ret);
}

/* After a failed creation: the error stands where libvirt says that nothing is there, else all is unknown. */
static struct error *settle_failed_start(struct op *op, struct error *e)
{
    _cleanup_domain_ virDomainPtr dom = NULL;
    if (error_is(e, &ERROR_TIMEOUT))
        return e;
    struct error *again = look_up(op, &dom);
    bool gone = !again && !dom;
    error_ignore(again);
    return gone ? e : error_recode(e, &ERROR_TIMEOUT, NULL);
}

static struct error *start_call(void *arg)
{
    struct op *op = arg;
    _cleanup_domain_ virDomainPtr dom = NULL;
    int state, reason;
    RETURN_IF_ERROR(find_own(op, &dom));
    if (!dom) {
        dom = virDomainCreateXML(op->conn, op->xml, op->flags);
        return dom ? NULL : settle_failed_start(op, libvirt_error(op->conn, "starting the domain"));
    }
    if (virDomainGetState(dom, &state, &reason, 0) < 0)
        return error_recode(libvirt_error(op->conn, "reading a domain's state"), &ERROR_TIMEOUT, NULL);
    enum domain_state now = map_state(state, reason);
    if (now == DOMAIN_RUNNING || now == DOMAIN_PAUSED)
        return NULL;
    return error_new(ERROR_TIMEOUT, "the domain of %s is there and does not run", op->instance.text);
}

static struct error *libvirt_start(struct hypervisor *base, const struct domain_spec *spec)
{
    struct libvirt *h = (struct libvirt *)base;
    _cleanup_str_ struct str xml = STR_INIT;
    struct op *op = xnew0(struct op);
    h->kind->build(&h->o, spec, &xml);
    op->instance = spec->instance;
    op->cloud = spec->cloud;
    op->xml = str_take(&xml);
    op->flags = spec->paused ? VIR_DOMAIN_START_PAUSED : 0;
    return run(base, op, START_MS, start_call, NULL, NULL);
}

/* Not running and not known are both well here: the last look decides. */
static struct error *destroy_call(void *arg)
{
    struct op *op = arg;
    _cleanup_domain_ virDomainPtr dom = NULL;
    _cleanup_domain_ virDomainPtr left = NULL;
    RETURN_IF_ERROR(find_own(op, &dom));
    if (!dom)
        return NULL;
    if (virDomainDestroy(dom) < 0 && !last_is(VIR_ERR_NO_DOMAIN) && !last_is(VIR_ERR_OPERATION_INVALID))
        return libvirt_error(op->conn, "destroying the domain");
    RETURN_IF_ERROR(look_up(op, &left));
    if (left)
        return error_new(ERROR_TIMEOUT, "the domain of %s is still there", op->instance.text);
    return NULL;
}

/* A domain that must be there for what `act` does to it. */
static struct error *act_on(struct op *op, int (*act)(virDomainPtr), const char *what)
{
    _cleanup_domain_ virDomainPtr dom = NULL;
    RETURN_IF_ERROR(find_own(op, &dom));
    if (!dom)
        return error_new(ERROR_NOT_FOUND, "there is no domain of %s", op->instance.text);
    return act(dom) < 0 ? libvirt_error(op->conn, what) : NULL;
}

static int press_button(virDomainPtr dom)
{
    return virDomainShutdown(dom);
}
static int ask_reboot(virDomainPtr dom)
{
    return virDomainReboot(dom, VIR_DOMAIN_REBOOT_DEFAULT);
}
static int press_reset(virDomainPtr dom)
{
    return virDomainReset(dom, 0);
}
static struct error *resume_call(void *arg)
{
    return act_on(arg, virDomainResume, "resuming the domain");
}
static struct error *shutdown_call(void *arg)
{
    return act_on(arg, press_button, "shutting the domain down");
}
static struct error *reboot_call(void *arg)
{
    return act_on(arg, ask_reboot, "asking the guest to reboot");
}
static struct error *reset_call(void *arg)
{
    return act_on(arg, press_reset, "resetting the domain");
}

static struct op *op_for(const struct id *instance, const struct id *cloud)
{
    struct op *op = xnew0(struct op);
    op->instance = *instance;
    op->cloud = *cloud;
    return op;
}

static struct error *libvirt_resume(struct hypervisor *h, const struct id *instance, const struct id *cloud)
{
    return run(h, op_for(instance, cloud), CALL_MS, resume_call, NULL, NULL);
}
static struct error *libvirt_destroy(struct hypervisor *h, const struct id *instance, const struct id *cloud)
{
    return run(h, op_for(instance, cloud), CALL_MS, destroy_call, NULL, NULL);
}
static struct error *libvirt_shutdown(struct hypervisor *h, const struct id *instance, const struct id *cloud)
{
    return run(h, op_for(instance, cloud), CALL_MS, shutdown_call, NULL, NULL);
}
static struct error *libvirt_reboot(struct hypervisor *h, const struct id *instance, const struct id *cloud)
{
    return run(h, op_for(instance, cloud), CALL_MS, reboot_call, NULL, NULL);
}
static struct error *libvirt_reset(struct hypervisor *h, const struct id *instance, const struct id *cloud)
{
    return run(h, op_for(instance, cloud), CALL_MS, reset_call, NULL, NULL);
}

static struct error *capacity_call(void *arg)
{
    struct op *op = arg;
    virNodeInfo info;
    if (virNodeGetInfo(op->conn, &info) < 0)
        return libvirt_error(op->conn, "asking for the host's size");
    op->capacity = (struct hypervisor_capacity){info.cpus, info.memory / 1024};
    return NULL;
}

static void use_capacity(void *arg, void *to)
{
    *(struct hypervisor_capacity *)to = ((struct op *)arg)->capacity;
}

static struct error *libvirt_capacity(struct hypervisor *h, struct hypervisor_capacity *ret)
{
    return run(h, xnew0(struct op), CALL_MS, capacity_call, use_capacity, ret);
}

const struct hypervisor_ops libvirt_ops = {
    .name = "libvirt",
    .list = libvirt_list,
    .start = libvirt_start,
    .resume = libvirt_resume,
    .destroy = libvirt_destroy,
    .shutdown = libvirt_shutdown,
    .reboot = libvirt_reboot,
    .reset = libvirt_reset,
    .capacity = libvirt_capacity,
    .interrupt = libvirt_interrupt,
    .close = libvirt_close,
};
