/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "node-controller/state.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include "common/base/str.h"
#include "common/file/file.h"
#include "common/json/json.h"

#define FILE_MAX (4u << 20)

struct state {
    char *dir;
    struct id node;
};

static const char *const phase_names[] = {"new",  "accepted", "starting", "running",
                                          "ended", "held",     "stopping", "gone"};

static char *path_of(const struct state *s, const char *format, const char *name)
{
    return name ? xasprintf("%s/%s/%s.json", s->dir, format, name) : xasprintf("%s/%s", s->dir, format);
}

static struct error *read_json(const char *path, json_t **ret)
{
    _cleanup_free_ char *text = NULL;
    size_t len;
    RETURN_IF_ERROR(file_read(path, FILE_MAX, &text, &len));
    return error_wrap(json_parse_object(text, len, FILE_MAX, ret), "%s", path);
}

static struct error *write_json(const char *path, const json_t *o)
{
    _cleanup_free_ char *text = json_text(o);
    return file_write_durable(path, text, strlen(text), 0600);
}

static struct error *open_identity(struct state *s)
{
    _cleanup_free_ char *path = path_of(s, "identity.json", NULL);
    _cleanup_(json_decrefp) json_t *o = NULL;
    struct error *e = read_json(path, &o);
    if (!e)
        return error_wrap(json_need_id(o, "node", &s->node), "%s", path);
    if (!error_is(e, &ERROR_NOT_FOUND))
        return e;
    error_free(e);
    s->node = id_random("n-");
    o = json_object();
    json_set_string(o, "node", s->node.text);
    return write_json(path, o);
}

static struct error *make_dir(const struct state *s, const char *name, mode_t mode)
{
    _cleanup_free_ char *path = path_of(s, name, NULL);
    RETURN_IF_ERROR(file_make_dirs(path));
    return chmod(path, mode) == 0 ? NULL : error_errno(errno, "mode of %s", path);
}

struct error *state_open(const char *dir, struct state **ret)
{
    _cleanup_(state_closep) struct state *s = xnew0(struct state);
    s->dir = xstrdup(dir);
    RETURN_IF_ERROR(file_make_dirs(dir));
    /* The domains' own users walk through to their disks. */
    if (chmod(dir, 0711) != 0)
        return error_errno(errno, "mode of %s", dir);
    RETURN_IF_ERROR(make_dir(s, "records", 0700));
    RETURN_IF_ERROR(make_dir(s, "objects", 0700));
    RETURN_IF_ERROR(make_dir(s, "operations", 0700));
    RETURN_IF_ERROR(make_dir(s, "instances", 0711));
    RETURN_IF_ERROR(open_identity(s));
    *ret = TAKE_PTR(s);
    return NULL;
}

void state_close(struct state *s)
{
    if (!s)
        return;
    free(s->dir);
    free(s);
}

struct id state_node_id(const struct state *s)
{
    return s->node;
}

struct error *state_load_self(const struct state *s, struct node_self *ret, char **ret_boot_id)
{
    _cleanup_free_ char *path = path_of(s, "self.json", NULL);
    _cleanup_(json_decrefp) json_t *o = NULL;
    memset(ret, 0, sizeof *ret);
    ret->node = s->node;
    *ret_boot_id = NULL;
    struct error *e = read_json(path, &o);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_free(e);
    if (e)
        return e;
    const char *cloud = json_get_string(o, "cloud", NULL);
    if (cloud && !id_parse(cloud, &ret->cloud))
        return error_new(ERROR_INTERNAL, "%s: 'cloud' is no id", path);
    ret->epoch.era = json_get_u64(o, "era", 0);
    ret->epoch.n = json_get_u64(o, "epoch", 0);
    ret->run = json_get_u64(o, "run", 0);
    ret->boot = json_get_u64(o, "boot", 0);
    ret->answered_boot = json_get_u64(o, "answered_boot", 0);
    *ret_boot_id = xstrdup(json_get_string(o, "boot_id", NULL));
    return NULL;
}

struct error *state_write_self(const struct state *s, const struct node_self *self, const char *boot_id)
{
    _cleanup_free_ char *path = path_of(s, "self.json", NULL);
    _cleanup_(json_decrefp) json_t *o = json_object();
    if (!id_none(&self->cloud))
        json_set_string(o, "cloud", self->cloud.text);
    json_set_u64(o, "era", self->epoch.era);
    json_set_u64(o, "epoch", self->epoch.n);
    json_set_u64(o, "run", self->run);
    json_set_u64(o, "boot", self->boot);
    json_set_u64(o, "answered_boot", self->answered_boot);
    json_set_string(o, "boot_id", boot_id);
    return write_json(path, o);
}

static struct error *read_record(const json_t *o, struct node_record *r)
{
    const char *phase;
    RETURN_IF_ERROR(json_need_id(o, "id", &r->id));
    RETURN_IF_ERROR(json_need_u64(o, "generation", &r->generation));
    RETURN_IF_ERROR(json_need_string(o, "phase", &phase));
    for (r->phase = NODE_NEW; r->phase <= NODE_GONE && !streq(phase, phase_names[r->phase]); r->phase++)
        continue;
    if (r->phase > NODE_GONE)
        return error_new(ERROR_INVALID, "phase '%.20s'", phase);
    r->present = json_get_bool(o, "present", false);
    r->no_room = json_get_bool(o, "no_room", false);
    r->boot = json_get_u64(o, "boot", 0);
    r->size.vcpus = json_get_u64(o, "vcpus", 0);
    r->size.memory_mib = json_get_u64(o, "memory_mib", 0);
    r->size.disk_gib = json_get_u64(o, "disk_gib", 0);
    r->ended = (enum observation)json_get_u64(o, "ended", 0);
    r->body = xstrdup(json_get_string(o, "body", NULL));
    r->why = xstrdup(json_get_string(o, "why", NULL));
    return NULL;
}

struct error *state_write_record(const struct state *s, const struct node_record *r)
{
    _cleanup_free_ char *path = path_of(s, "records", r->id.text);
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "id", r->id.text);
    json_set_u64(o, "generation", r->generation);
    json_set_string(o, "phase", phase_names[r->phase]);
    json_set_bool(o, "present", r->present);
    json_set_bool(o, "no_room", r->no_room);
    json_set_u64(o, "boot", r->boot);
    json_set_u64(o, "vcpus", r->size.vcpus);
    json_set_u64(o, "memory_mib", r->size.memory_mib);
    json_set_u64(o, "disk_gib", r->size.disk_gib);
    json_set_u64(o, "ended", (uint64_t)r->ended);
    if (r->body)
        json_set_string(o, "body", r->body);
    if (r->why)
        json_set_string(o, "why", r->why);
    return write_json(path, o);
}

struct error *state_drop_record(const struct state *s, const struct id *id)
{
    _cleanup_free_ char *path = path_of(s, "records", id->text);
    return file_remove_durable(path);
}

/* ---- groups and subnets' maps ---- */

struct error *state_write_shared(const struct state *s, const struct node_shared *shared)
{
    _cleanup_free_ char *path = path_of(s, "objects", shared->id.text);
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "id", shared->id.text);
    json_set_string(o, "kind", object_kind_name(shared->kind));
    json_set_u64(o, "generation", shared->generation);
    json_set_bool(o, "present", shared->present);
    if (shared->body)
        json_set_string(o, "body", shared->body);
    return write_json(path, o);
}

struct error *state_drop_shared(const struct state *s, const struct id *id)
{
    _cleanup_free_ char *path = path_of(s, "objects", id->text);
    return file_remove_durable(path);
}

static struct error *load_shared(struct node_model *n, const json_t *o)
{
    struct node_shared shared = {0};
    const char *kind;
    RETURN_IF_ERROR(json_need_id(o, "id", &shared.id));
    RETURN_IF_ERROR(json_need_string(o, "kind", &kind));
    RETURN_IF_ERROR(json_need_u64(o, "generation", &shared.generation));
    if (streq(kind, object_kind_name(KIND_GROUP)))
        shared.kind = KIND_GROUP;
    else if (streq(kind, object_kind_name(KIND_SUBNET)))
        shared.kind = KIND_SUBNET;
    else
        return error_new(ERROR_INVALID, "kind '%.20s'", kind);
    shared.present = json_get_bool(o, "present", false);
    shared.body = xstrdup(json_get_string(o, "body", NULL));
    node_load_shared(n, &shared);
    return NULL;
}

/* ---- operations ---- */

struct error *state_write_operation(const struct state *s, const struct node_operation *op)
{
    _cleanup_free_ char *path = path_of(s, "operations", op->id.text);
    _cleanup_(json_decrefp) json_t *o = json_object();
    json_set_string(o, "id", op->id.text);
    json_set_string(o, "instance", op->instance.text);
    json_set_string(o, "action", op->action.text);
    json_set_bool(o, "done", op->done);
    json_set_bool(o, "ok", op->ok);
    if (op->text)
        json_set_string(o, "text", op->text);
    return write_json(path, o);
}

struct error *state_drop_operation(const struct state *s, const struct id *id)
{
    _cleanup_free_ char *path = path_of(s, "operations", id->text);
    return file_remove_durable(path);
}

static struct error *load_operation(struct node_model *n, const json_t *o)
{
    struct node_operation op = {0};
    RETURN_IF_ERROR(json_need_id(o, "id", &op.id));
    RETURN_IF_ERROR(json_need_id(o, "instance", &op.instance));
    RETURN_IF_ERROR(json_need_id(o, "action", &op.action));
    op.done = json_get_bool(o, "done", false);
    op.ok = json_get_bool(o, "ok", false);
    op.text = xstrdup(json_get_string(o, "text", NULL));
    node_load_operation(n, &op);
    return NULL;
}

/* ---- loading ---- */

static struct error *load_record(struct node_model *n, const json_t *o)
{
    struct node_record r = {0};
    struct error *e = read_record(o, &r);
    if (!e)
        node_load(n, &r);
    node_record_free(&r);
    return e;
}

static void closedirp(DIR **d)
{
    if (*d)
        closedir(*d);
}

static struct error *load_all(const struct state *s, struct node_model *n, const char *folder,
                              struct error *(*load)(struct node_model *, const json_t *))
{
    _cleanup_free_ char *dir = path_of(s, folder, NULL);
    _cleanup_(closedirp) DIR *d = opendir(dir);
    if (!d)
        return error_errno(errno, "opening %s", dir);
    for (const struct dirent *entry; (entry = readdir(d));) {
        if (entry->d_name[0] == '.' || !str_ends(entry->d_name, ".json"))
            continue;
        _cleanup_free_ char *path = xasprintf("%s/%s", dir, entry->d_name);
        _cleanup_(json_decrefp) json_t *o = NULL;
        RETURN_IF_ERROR(read_json(path, &o));
        RETURN_IF_ERROR(error_wrap(load(n, o), "%s", path));
    }
    return NULL;
}

struct error *state_load_records(const struct state *s, struct node_model *n)
{
    RETURN_IF_ERROR(load_all(s, n, "records", load_record));
    RETURN_IF_ERROR(load_all(s, n, "objects", load_shared));
    return load_all(s, n, "operations", load_operation);
}

char *state_instance_dir(const struct state *s, const char *id)
{
    return xasprintf("%s/instances/%s", s->dir, id);
}

struct error *state_instance_dirs(const struct state *s, state_ids *ret)
{
    _cleanup_free_ char *path = path_of(s, "instances", NULL);
    _cleanup_(closedirp) DIR *d = opendir(path);
    if (!d)
        return error_errno(errno, "opening %s", path);
    for (const struct dirent *entry; (entry = readdir(d));) {
        struct id id;
        if (entry->d_name[0] != '.' && id_parse(entry->d_name, &id))
            array_push(ret, id);
    }
    return NULL;
}
