/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/image.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "api/s3-client.h"
#include "api/uri.h"
#include "cli/progress.h"
#include "common/base/id.h"

#define PUT_MAX  (UINT64_C(5) << 30)
#define POLL_US  500000
#define EC2_DATE "2016-11-15"

struct upload {
    const struct admin *admin;
    const char *file;
    char *bucket, *key, *name;
    int fd;
    uint64_t size, sent;
    struct progress progress;
    bool public;
};

/* ---- upload ---- */

static ssize_t send_file(void *arg, void *into, size_t max)
{
    struct upload *u = arg;
    ssize_t got = read(u->fd, into, max);
    if (got > 0)
        u->sent += (uint64_t)got;
    progress_show_part(&u->progress, "uploading", u->sent, u->size);
    return got < 0 ? 0 : got; /* which ends it early and fails the call */
}

static struct error *open_file(struct upload *u)
{
    struct stat st;
    u->fd = open(u->file, O_RDONLY | O_CLOEXEC);
    if (u->fd < 0 || fstat(u->fd, &st) != 0)
        return error_recode(error_errno(errno, "opening %s", u->file), &ERROR_INVALID, NULL);
    if (!S_ISREG(st.st_mode) || !st.st_size)
        return error_new(ERROR_INVALID, "%s is no file with a disk in it", u->file);
    u->size = (uint64_t)st.st_size;
    if (u->size > PUT_MAX)
        return error_new(ERROR_INVALID, "%s has more than 5 GiB: upload it with another client, then register it",
                         u->file);
    return NULL;
}

/* A bucket of the caller's own, a key and a name that nothing has yet. */
static void choose_names(struct upload *u, const char *name)
{
    struct id random = id_random("");
    const char *slash = strrchr(u->file, '/');
    u->bucket = xasprintf("mallee-import-%s", u->admin->access_key_id);
    for (char *p = u->bucket; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    u->name = xasprintf("%.80s-%.8s", slash ? slash + 1 : u->file, random.text);
    for (char *p = u->name; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            *p = '-';
    }
    u->key = xstrdup(u->name);
    if (name) {
        free(u->name);
        u->name = xstrdup(name);
    }
}

/* ---- registering ---- */

static void add_parameter(struct str *to, const char *name, const char *value)
{
    str_printf(to, "&%s=", name);
    uri_encode(to, value, strlen(value), false);
}

/* The text of the answer's only element of that name; NULL: none. */
static char *element(const struct http_reply *r, const char *name)
{
    _cleanup_free_ char *open = xasprintf("<%s>", name);
    const char *at = strstr(str_text(&r->body), open);
    at = at ? at + strlen(open) : NULL;
    return at ? xstrndup(at, strcspn(at, "<")) : NULL;
}

static struct error *call_register(struct upload *u, struct aws_caller *ec2, char **ret_id)
{
    _cleanup_str_ struct str body = STR_INIT;
    _cleanup_free_ char *location = xasprintf("%s/%s", u->bucket, u->key);
    str_add(&body, "Action=RegisterImage&Version=" EC2_DATE);
    add_parameter(&body, "Name", u->name);
    add_parameter(&body, "ImageLocation", location);
    struct http_header type = {"Content-Type", "application/x-www-form-urlencoded"};
    struct aws_call call = {
        .method = "POST", .path = "/", .headers = &type, .nheaders = 1, .body = body.data, .len = body.len};
    _cleanup_http_reply_ struct http_reply reply = {0};
    RETURN_IF_ERROR(aws_call(ec2, &call, &reply));
    if (reply.status == 200 && (*ret_id = element(&reply, "imageId")))
        return NULL;
    _cleanup_free_ char *code = element(&reply, "Code"), *message = element(&reply, "Message");
    return error_new(ERROR_DENIED, "%s: %s", code ? code : "refused", message ? message : "no reason given");
}

static struct error *register_image(struct upload *u, char **ret_id)
{
    const struct admin *a = u->admin;
    _cleanup_(aws_caller_freep) struct aws_caller *ec2 = NULL;
    struct aws_caller_options o = {a->url, a->access_key_id, a->secret, a->region, "ec2", a->ca_file};
    RETURN_IF_ERROR(aws_caller_new(&o, &ec2));
    return call_register(u, ec2, ret_id);
}

static struct error *wait_for_it(struct upload *u, const char *id)
{
    for (u->progress = PROGRESS_INIT;; usleep(POLL_US)) {
        _cleanup_json_ json_t *in = json_object(), *out = NULL;
        json_set_string(in, "image_id", id);
        RETURN_IF_ERROR(admin_call(u->admin, "DescribeImageProgress", json_incref(in), &out));
        const char *state = json_get_string(out, "state", "");
        bool done = streq(state, "available");
        progress_show(&u->progress, "converting", done ? 100 : (int)json_get_u64(out, "percent", 0));
        if (done)
            return NULL;
        if (!streq(state, "pending"))
            return error_new(ERROR_DENIED, "%s is %s: %s", id, state, json_get_string(out, "reason", "no reason given"));
    }
}

static struct error *publish(struct upload *u, const char *id)
{
    _cleanup_json_ json_t *in = json_object(), *out = NULL;
    json_set_string(in, "image_id", id);
    return admin_call(u->admin, "PublishImage", json_incref(in), &out);
}

/* ---- all of it ---- */

static struct error *import(struct upload *u, struct aws_caller *s3, char **ret_id)
{
    _cleanup_free_ char *id = NULL;
    RETURN_IF_ERROR(s3_make_bucket(s3, u->bucket));
    struct error *e = s3_put_stream(s3, u->bucket, u->key, u->size, send_file, u);
    if (!e)
        e = register_image(u, &id);
    if (!e)
        e = wait_for_it(u, id);
    if (!e && u->public)
        e = publish(u, id);
    struct error *gone = s3_delete(s3, u->bucket, u->key);
    if (gone)
        fprintf(stderr, "mallee: the upload %s/%s is still there: %s\n", u->bucket, u->key, error_message(gone));
    error_free(gone);
    if (!e)
        *ret_id = TAKE_PTR(id);
    return e;
}

struct error *image_import(const struct admin *admin, const struct image_options *options, char **ret_id)
{
    struct upload u = {.admin = admin, .file = options->file, .fd = -1, .progress = PROGRESS_INIT, .public = options->public};
    const char *store = getenv("AWS_ENDPOINT_URL_S3");
    _cleanup_(aws_caller_freep) struct aws_caller *s3 = NULL;
    if (!store || !*store)
        return error_new(ERROR_INVALID, "AWS_ENDPOINT_URL_S3 must be set: the object store (a quickstart's is in DIR/env)");
    struct aws_caller_options o = {store, admin->access_key_id, admin->secret, admin->region, "s3", admin->ca_file};
    RETURN_IF_ERROR(aws_caller_new(&o, &s3));
    choose_names(&u, options->name);
    struct error *e = open_file(&u);
    if (!e)
        e = import(&u, s3, ret_id);
    if (u.fd >= 0)
        close(u.fd);
    free(u.bucket);
    free(u.key);
    free(u.name);
    return e;
}
