/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/jobs.h"
#include "common/base/log.h"
#include "common/base/str.h"
#include "common/json/json.h"
#include "core/image/grant.h"
#include "node-controller/instance-dir.h"
#include "node-controller/nets.h"

struct job {
    struct node *node;
    enum node_effect_kind kind;
    struct node_record record;
    struct id operation, action;
    struct id cloud;
    uint64_t serial;
    char request_id[40];
    /* the result */
    enum job_result result;
    char *why;
    char *body;  /* what an operation brought */
    bool listed;
    ARRAY(struct node_domain) domains;
};

static void job_free(struct job *j)
{
    node_record_free(&j->record);
    free(j->why);
    free(j->body);
    array_free(&j->domains);
    free(j);
}

/* What an error of the hypervisor means for the model. */
static enum job_result result_of(struct error *e)
{
    if (!e)
        return JOB_DONE;
    if (error_is(e, &ERROR_UNAVAILABLE))
        return JOB_NOT_ASKED;
    return error_is(e, &ERROR_TIMEOUT) ? JOB_UNKNOWN : JOB_FAILED;
}

static void set_result(struct job *j, struct error *e, const char *what)
{
    j->result = result_of(e);
    if (!e)
        return;
    log_warning("%s of %s: %s (%s)", what, j->record.id.text, error_message(e), error_origin(e));
    j->why = xasprintf("%s: %s", what, error_message(e));
    error_free(e);
}

struct step {
    struct node *node;
    struct id id;
    unsigned percent;
};

static void post_step(void *arg)
{
    struct step *s = arg;
    if (!s->node->stopping) {
        _cleanup_free_ char *text = xasprintf("fetching the image %u %%", s->percent);
        node_on_step(s->node->model, s->id.text, text);
        node_carry_out(s->node);
    }
    free(s);
}

static void on_fetching(void *arg, unsigned percent)
{
    const struct job *j = arg;
    struct step *s = xnew0(struct step);
    *s = (struct step){j->node, j->record.id, percent};
    loop_post(daemon_loop(j->node->daemon), post_step, s);
}

/* The disk of an image that was made from an upload: fetched with the key that was wrapped for this launch, and pinned. */
static struct error *fetch_base(struct job *j, const json_t *body, struct id *ret_image, char **ret)
{
    struct image_want want = {.step = on_fetching, .arg = j};
    struct image_grant grant = {.instance = j->record.id.text, .node = j->node->model->self.node.text};
    unsigned char key[SEAL_KEY_SIZE];
    const char *text;
    RETURN_IF_ERROR(json_need_id(body, "image", &want.image));
    RETURN_IF_ERROR(json_need_string(body, "grant", &text));
    grant.image = want.image;
    RETURN_IF_ERROR(image_grant_open(&grant, &j->node->pair, text, key));
    want.key = key;
    *ret_image = want.image;
    struct error *e = image_cache_get(j->node->images, &want, ret);
    wipe(key, sizeof key);
    return e;
}

/* Once the link is made the image may leave the cache. */
static struct error *make_disk(struct job *j, const json_t *body)
{
    _cleanup_free_ char *base = NULL;
    _cleanup_free_ char *dir = state_instance_dir(j->node->state, j->record.id.text);
    struct id image;
    RETURN_IF_ERROR(fetch_base(j, body, &image, &base));
    struct error *e = instance_dir_prepare(dir, base, j->record.size.disk_gib << 30,
                                           (uint32_t)j->node->config->first_uid);
    image_cache_release(j->node->images, &image);
    return e;
}

static struct error *read_body(const struct job *j, json_t **ret)
{
    if (!j->record.body)
        return error_new(ERROR_INVALID, "the instance came without a body");
    return json_parse_object(j->record.body, strlen(j->record.body), 1u << 20, ret);
}

static struct error *prepare(struct job *j)
{
    if (!(j->node->hypervisor->capabilities & HYPERVISOR_RUNS_GUESTS))
        return NULL; /* a hypervisor without guests needs no disks */
    _cleanup_(json_decrefp) json_t *body = NULL;
    RETURN_IF_ERROR(read_body(j, &body));
    RETURN_IF_ERROR(make_disk(j, body));
    return error_wrap(nets_prepare(j->node, &j->record), "network");
}

/* A domain whose tap cannot be connected must not run: the failure is one only once nothing of it is left. */
static struct error *undo(struct job *j, struct error *e)
{
    struct error *again = hypervisor_destroy(j->node->hypervisor, &j->record.id, &j->cloud);
    if (again) {
        error_free(again);
        return error_recode(e, &ERROR_TIMEOUT, NULL);
    }
    return e;
}

/* The domain is made and its guest does not run yet. */
static struct error *connect_and_go(struct job *j)
{
    struct error *e = nets_plug(j->node, &j->record);
    if (e)
        return undo(j, error_wrap(e, "network"));
    e = hypervisor_resume(j->node->hypervisor, &j->record.id, &j->cloud);
    return e ? error_recode(e, &ERROR_TIMEOUT, NULL) : NULL; /* listings tell whether it runs */
}

static struct error *create(struct job *j)
{
    _cleanup_free_ char *dir = state_instance_dir(j->node->state, j->record.id.text);
    _cleanup_free_ char *disk = xasprintf("%s/disk.qcow2", dir);
    _cleanup_free_ char *console = xasprintf("%s/console.log", dir);
    _cleanup_free_ char *base = NULL;
    struct domain_spec spec = {.instance = j->record.id,
                               .cloud = j->cloud,
                               .generation = j->record.generation,
                               .vcpus = (unsigned)j->record.size.vcpus,
                               .memory_mib = j->record.size.memory_mib,
                               .disk = disk,
                               .console = console};
    if (j->node->hypervisor->capabilities & HYPERVISOR_RUNS_GUESTS) {
        base = instance_dir_base(dir);
        RETURN_IF_ERROR(instance_dir_owner(dir, &spec.uid));
        spec.gid = spec.uid;
        spec.base = base;
    }
    _cleanup_(nets_card_free) struct nets_card card = {0};
    RETURN_IF_ERROR(nets_card(j->node, &j->record, &card));
    spec.card = (struct domain_card){card.tap, card.mac, card.mtu};
    spec.paused = card.tap != NULL;
    struct error *e = hypervisor_start(j->node->hypervisor, &spec);
    return e || !spec.paused ? e : connect_and_go(j);
}

/* True where the hypervisor, listed whole, knows nothing of the instance. */
static struct error *make_sure(struct job *j)
{
    struct domain_list list = {0};
    RETURN_IF_ERROR(hypervisor_list(j->node->hypervisor, &list));
    struct error *e = NULL;
    array_each(&list.domains, d) {
        if (id_eq(&d->instance, &j->record.id) && id_eq(&d->cloud, &j->cloud))
            e = error_new(ERROR_TIMEOUT, "it is still there");
    }
    domain_list_free(&list);
    return e;
}

/* First the domain, then the disk without which a late start cannot succeed, then a look. */
static struct error *remove_all(struct job *j)
{
    struct error *e = hypervisor_destroy(j->node->hypervisor, &j->record.id, &j->cloud);
    if (error_is(e, &ERROR_DENIED)) {
        log_failure(LOG_WARNING, e, "a domain of another cloud has this id and is left alone");
        e = NULL;
    }
    RETURN_IF_ERROR(e);
    RETURN_IF_ERROR(error_wrap(nets_unplug(j->node, &j->record.id), "network"));
    _cleanup_free_ char *dir = state_instance_dir(j->node->state, j->record.id.text);
    RETURN_IF_ERROR(instance_dir_remove(dir));
    return make_sure(j);
}

static void list(struct job *j)
{
    struct domain_list all = {0};
    struct error *e = hypervisor_list(j->node->hypervisor, &all);
    j->listed = e == NULL;
    if (e)
        log_failure(LOG_INFO, e, "listing the domains");
    array_each(&all.domains, d) {
        struct node_domain *line = array_add(&j->domains);
        line->id = d->instance;
        memcpy(line->cloud, d->cloud.text, sizeof d->cloud.text);
        line->generation = d->generation;
        line->running = d->state != DOMAIN_STARTING && d->state != DOMAIN_PAUSED;
        line->paused = d->state == DOMAIN_PAUSED;
    }
    domain_list_free(&all);
}

static void operate(struct job *j)
{
    _cleanup_free_ char *dir = state_instance_dir(j->node->state, j->record.id.text);
    _cleanup_free_ char *console = xasprintf("%s/console.log", dir);
    struct operate_request r = {j->record.id, j->cloud, j->action.text, console, j->node->timing.reboot};
    set_result(j, operator_run(j->node->operator, &r, &j->body), j->action.text);
}

/* Back on the loop. */
static void post_result(void *arg)
{
    struct job *j = arg;
    struct node_model *m = j->node->model;
    const char *id = j->record.id.text;
    if (!j->node->stopping) {
        switch (j->kind) {
        case NODE_JOB_START:
            node_on_prepared(m, id, j->result, j->why);
            break;
        case NODE_JOB_OPERATE:
            node_on_operated(m, j->operation.text, j->result == JOB_DONE, TAKE_PTR(j->body), j->why);
            break;
        case NODE_JOB_CREATE:
        case NODE_JOB_RESUME:
            node_on_created(m, id, j->result, j->why);
            break;
        case NODE_JOB_STOP:
            node_on_stopped(m, id, j->result);
            break;
        default:
            node_on_listing(m, j->serial, j->listed, j->domains.data, j->domains.len);
            break;
        }
        node_carry_out(j->node);
    }
    job_free(j);
}

static void work(void *arg)
{
    struct job *j = arg;
    log_set_request(j->request_id);
    switch (j->kind) {
    case NODE_JOB_START:
        set_result(j, prepare(j), "preparing the disk");
        break;
    case NODE_JOB_CREATE:
        set_result(j, create(j), "starting the domain");
        break;
    case NODE_JOB_RESUME:
        set_result(j, connect_and_go(j), "starting the domain's guest");
        break;
    case NODE_JOB_OPERATE:
        operate(j);
        break;
    case NODE_JOB_STOP:
        set_result(j, remove_all(j), "removing");
        break;
    default:
        list(j);
        break;
    }
    log_set_request(NULL);
    loop_post(daemon_loop(j->node->daemon), post_result, j);
}

/* Who waits for an image keeps nobody from being stopped or listed. */
static struct workers *pool_of(struct node *n, enum node_effect_kind kind)
{
    switch (kind) {
    case NODE_LIST:
        return n->lister;
    case NODE_JOB_START:
        return n->preparers;
    case NODE_JOB_OPERATE:
        return n->operators;
    default:
        return n->workers;
    }
}

void jobs_start(struct node *n, const struct node_effect *e)
{
    struct job *j = xnew0(struct job);
    j->node = n;
    j->kind = e->kind;
    j->record = e->record;
    j->record.body = xstrdup(e->record.body);
    j->record.why = NULL;
    j->operation = e->operation.id;
    j->action = e->operation.action;
    j->cloud = n->model->self.cloud;
    j->serial = e->serial;
    const struct node_instance *i = node_find(n->model, e->record.id.text);
    if (i)
        memcpy(j->request_id, i->request_id, sizeof j->request_id);
    struct error *err = workers_submit(pool_of(n, e->kind), work, j);
    if (err) { /* as if the hypervisor were not there: it is tried again */
        j->result = JOB_NOT_ASKED;
        error_free(err);
        loop_post(daemon_loop(n->daemon), post_result, j);
    }
}
