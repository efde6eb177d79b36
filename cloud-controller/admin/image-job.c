/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/gen/admin.h"
#include "api/sigv4-sign.h"
#include "api/uri.h"
#include "cloud-controller/request.h"
#include "cloud-controller/system.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "core/image/grant.h"

#define URL_SECONDS 86400

struct taking {
    struct request_ctx *ctx;
    const char *service;
    struct store_image image;
    struct id key_id;
    struct store_key key; /* of the image's account, to read its object with */
};

/* Jobs are for the Image Service's own key. */
static struct error *service_only(struct request_ctx *ctx, struct db_tx *tx)
{
    bool is = false;
    RETURN_IF_ERROR(store_system_key_is(tx, SYSTEM_IMAGE_SERVICE, ctx->access_key_id, &is));
    return is ? NULL : error_new(API_ACCESS_DENIED, "%s is for the Image Service", ctx->action->name);
}

static struct error *key_ok(const char *text, unsigned char ret[WRAP_KEY_SIZE])
{
    struct error *e = strlen(text) == 2 * WRAP_KEY_SIZE ? hex_decode(text, ret, WRAP_KEY_SIZE)
                                                        : error_new(ERROR_INVALID, "length");
    return error_recode(e, &API_INVALID_PARAMETER_VALUE, "public_key must be 64 hex digits.");
}

static struct error *take(struct db_tx *tx, void *arg)
{
    struct taking *t = arg;
    RETURN_IF_ERROR(service_only(t->ctx, tx));
    RETURN_IF_ERROR(store_image_job_take(tx, t->service, clock_wall_ms(), &t->image));
    struct error *e = store_key_of(tx, t->image.account.text, &t->key_id, &t->key);
    if (error_is(e, &ERROR_NOT_FOUND)) { /* disabled meanwhile: the URL will open nothing */
        t->key_id = (struct id){""};
        e = error_free(e);
    }
    return e;
}

/* The object's URL, good for a day, signed with its owner's key. */
static struct error *source_url(struct taking *t, char **ret)
{
    const char *store = t->ctx->cloud->config->store_url, *host = store ? strstr(store, "://") : NULL;
    char secret[SECRET_LENGTH + 1];
    if (!host || id_none(&t->key_id))
        return error_new(ERROR_INVALID, "no object store, or no key of the account");
    _cleanup_str_ struct str path = STR_INIT;
    str_add_char(&path, '/');
    uri_encode(&path, t->image.source_bucket, strlen(t->image.source_bucket), false);
    str_add_char(&path, '/');
    uri_encode(&path, t->image.source_key, strlen(t->image.source_key), true);
    RETURN_IF_ERROR(keys_secret(t->ctx->cloud->keys, t->key_id.text, &t->key, secret));
    struct http_header header = {"Host", host + 3};
    struct sigv4_signer signer = {t->key_id.text, secret, t->ctx->cloud->config->region, "s3", true, false};
    struct sigv4_request request = {"GET", path.data, NULL, &header, 1};
    _cleanup_free_ char *query =
        sigv4_presign(&signer, &request, SIGV4_UNSIGNED_PAYLOAD, NULL, URL_SECONDS, clock_wall_ms());
    wipe(secret, sizeof secret);
    if (!query)
        return error_new(ERROR_INVALID, "%s cannot be signed", path.data);
    *ret = xasprintf("%s%s?%s", store, path.data, query);
    return NULL;
}

static struct error *answer(struct taking *t, const unsigned char public[WRAP_KEY_SIZE],
                            struct admin_take_image_job_response *out)
{
    bool make = streq(t->image.state, "pending");
    unsigned char key[SEAL_KEY_SIZE];
    struct image_grant g = {t->image.id, NULL, NULL};
    if (make)
        RETURN_IF_ERROR(source_url(t, &out->source_url));
    RETURN_IF_ERROR(keys_image_open(t->ctx->cloud->keys, &t->image, key));
    struct error *e = image_grant_seal(&g, public, key, &out->grant);
    wipe(key, sizeof key);
    if (!e) {
        out->kind = xstrdup(make ? "make" : "unmake");
        out->image_id = xstrdup(t->image.id.text);
    }
    return e;
}

struct error *admin_take_image_job(struct request_ctx *ctx, const struct admin_take_image_job_request *in,
                                   struct admin_take_image_job_response *ret_out)
{
    struct taking t = {.ctx = ctx, .service = in->public_key};
    unsigned char public[WRAP_KEY_SIZE];
    RETURN_IF_ERROR(key_ok(in->public_key, public));
    struct error *e = db_write_wait(ctx->cloud->db, DB_LAZY, take, &t);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_free(e); /* nothing to do: an empty answer */
    if (!e)
        e = answer(&t, public, ret_out);
    store_image_free(&t.image);
    return e;
}

struct reporting {
    struct request_ctx *ctx;
    const struct admin_report_image_job_request *in;
    bool go_on;
    bool there; /* the image, after the report */
};

static struct error *report(struct db_tx *tx, void *arg)
{
    struct reporting *r = arg;
    const char *service = r->in->public_key, *id = r->in->image_id;
    RETURN_IF_ERROR(service_only(r->ctx, tx));
    if (streq(r->in->state, "done")) {
        RETURN_IF_ERROR(store_image_job_done(tx, service, id, (uint64_t)r->in->disk_bytes));
        return store_image_there(tx, id, &r->there);
    }
    if (streq(r->in->state, "failed"))
        return store_image_job_failed(tx, service, id, r->in->reason ? r->in->reason : "unknown");
    if (!streq(r->in->state, "progress"))
        return error_new(API_INVALID_PARAMETER_VALUE, "The state is one of progress, done, failed.");
    return store_image_job_progress(tx, service, id, (uint64_t)r->in->percent, clock_wall_ms(), &r->go_on);
}

struct error *admin_report_image_job(struct request_ctx *ctx, const struct admin_report_image_job_request *in,
                                     struct admin_report_image_job_response *ret_out)
{
    struct reporting r = {ctx, in, false, true};
    bool progress = streq(in->state, "progress");
    RETURN_IF_ERROR(db_write_wait(ctx->cloud->db, progress ? DB_LAZY : DB_FORCED, report, &r));
    if (!progress)
        log_info("image %s: %s %s", in->image_id, in->state, in->reason ? in->reason : "");
    ret_out->go_on = r.go_on;
    ret_out->has_go_on = true;
    ret_out->gone = !r.there;
    ret_out->has_gone = true;
    return NULL;
}

struct judging {
    struct request_ctx *ctx;
    const char *id;
    bool may_run;
};

static struct error *judge(struct db_tx *tx, void *arg)
{
    struct judging *j = arg;
    RETURN_IF_ERROR(service_only(j->ctx, tx));
    return store_image_job_may_run(tx, j->id, &j->may_run);
}

struct error *admin_ask_image_job(struct request_ctx *ctx, const struct admin_ask_image_job_request *in,
                                  struct admin_ask_image_job_response *ret_out)
{
    struct judging j = {ctx, in->image_id, true};
    RETURN_IF_ERROR(db_read(ctx->cloud->db, judge, &j));
    ret_out->may_run = j.may_run;
    ret_out->has_may_run = true;
    return NULL;
}

struct asking {
    struct request_ctx *ctx;
    const char *id;
    struct admin_describe_image_progress_response *out;
};

static struct error *describe(struct db_tx *tx, void *arg)
{
    struct asking *a = arg;
    struct store_image i = {0};
    RETURN_IF_ERROR(store_image_find(tx, a->id, &i));
    a->out->image_id = xstrdup(a->id);
    a->out->state = xstrdup(i.state);
    a->out->percent = (int64_t)i.progress;
    a->out->disk_bytes = (int64_t)i.disk_bytes;
    a->out->has_percent = a->out->has_disk_bytes = true;
    a->out->reason = xstrdup(i.reason);
    store_image_free(&i);
    return NULL;
}

struct error *admin_describe_image_progress(struct request_ctx *ctx,
                                            const struct admin_describe_image_progress_request *in,
                                            struct admin_describe_image_progress_response *ret_out)
{
    struct asking a = {ctx, in->image_id, ret_out};
    RETURN_IF_ERROR(authorize(ctx, in->image_id));
    struct error *e = db_read(ctx->cloud->db, describe, &a);
    return error_is(e, &ERROR_NOT_FOUND)
               ? error_recode(e, &ADMIN_IMAGE_NOT_FOUND, "There is no image %.40s.", in->image_id)
               : e;
}
