/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/jobs.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/file/file.h"
#include "common/json/json.h"
#include "core/image/grant.h"
#include "image-service/ask.h"
#include "image-service/make.h"
#include "image-service/s3-source.h"

#define PROGRESS_MS 1000
#define NAP_MS      100

const struct metric_row jobs_metric_rows[] = {
    {"mallee_images_made_total", METRIC_COUNTER, offsetof(struct jobs, made), "Images made."},
    {"mallee_images_removed_total", METRIC_COUNTER, offsetof(struct jobs, unmade), "Images removed."},
    {"mallee_images_failed_total", METRIC_COUNTER, offsetof(struct jobs, failed), "Images that could not be made."},
};
const size_t jobs_metric_rows_len = ARRAY_SIZE(jobs_metric_rows);

/* ---- what the cloud is asked ---- */

static struct error *ask(struct jobs *j, const char *action, json_t *in, json_t **ret)
{
    struct error *e = ask_cloud(j->cloud, j->public_key, action, in, ret);
    atomic_store(&j->reached, e == NULL);
    return e;
}

static struct error *report(struct jobs *j, json_t *in, const char *flag, bool *ret_flag)
{
    _cleanup_json_ json_t *out = NULL;
    RETURN_IF_ERROR(ask(j, "ReportImageJob", in, &out));
    *ret_flag = json_get_bool(out, flag, false);
    return NULL;
}

static json_t *report_of(const struct id *image, const char *state)
{
    json_t *o = json_object();
    json_set_string(o, "image_id", image->text);
    json_set_string(o, "state", state);
    return o;
}

/* ---- a job ---- */

struct job {
    struct jobs *jobs;
    struct id image;
    const char *url; /* NULL: the image is to be removed */
    unsigned char key[SEAL_KEY_SIZE];
    uint64_t disk_bytes;
    int64_t told;
};

static struct error *on_progress(void *arg, uint64_t done, uint64_t all)
{
    struct job *job = arg;
    int64_t now = clock_mono_ms();
    bool go_on = true;
    if (atomic_load(&job->jobs->stop))
        return error_new(ERROR_UNAVAILABLE, "the service stops");
    if (now - job->told < PROGRESS_MS && done < all) /* always before the manifest is put */
        return NULL;
    job->told = now;
    json_t *in = report_of(&job->image, "progress");
    json_set_u64(in, "percent", done * 100 / all);
    struct error *e = report(job->jobs, in, "go_on", &go_on);
    log_failure(LOG_WARNING, e, "telling the progress"); /* which stops nothing */
    return go_on ? NULL : error_new(ERROR_UNAVAILABLE, "the image is not wanted any more");
}

static struct error *make_anew(struct job *job)
{
    struct jobs *j = job->jobs;
    _cleanup_(s3_source_freep) struct s3_source *source = NULL;
    _cleanup_(image_disk_freep) struct image_disk *disk = NULL;
    RETURN_IF_ERROR(s3_source_open(j->http, job->url, &source));
    struct image_source face = s3_source_face(source);
    RETURN_IF_ERROR(image_disk_open(&face, &disk));
    job->disk_bytes = image_disk_size(disk);
    if (job->disk_bytes > j->config->max_disk)
        return error_new(ERROR_TOO_LARGE, "the disk has %ju bytes, at most %ju are taken", (uintmax_t)job->disk_bytes,
                         (uintmax_t)j->config->max_disk);
    log_info("making %s of a %s disk of %ju bytes", job->image.text, image_disk_format(disk),
             (uintmax_t)job->disk_bytes);
    struct image_make m = {j->store, job->image, job->key, disk, on_progress, job};
    return image_make(&m);
}

/* One whose end the cloud did not hear of is not made again; of several that are made at once the first one counts. */
static struct error *make(struct job *job)
{
    struct aws_caller *store = job->jobs->store;
    bool made = false;
    RETURN_IF_ERROR(image_made(store, &job->image, job->key, &made, &job->disk_bytes));
    if (made)
        return NULL;
    struct error *e = make_anew(job);
    if (!error_is(e, &ERROR_EXISTS))
        return e;
    error_free(e);
    RETURN_IF_ERROR(image_made(store, &job->image, job->key, &made, &job->disk_bytes));
    return made ? NULL : error_new(ERROR_UNAVAILABLE, "another making's manifest came and went");
}

/* What is wrong with the upload ends the image; what is wrong with us or on the way is tried again. */
static bool is_final(const struct error *e)
{
    return error_is(e, &ERROR_INVALID) || error_is(e, &ERROR_NOT_FOUND) || error_is(e, &ERROR_TOO_LARGE) ||
           error_is(e, &ERROR_DENIED);
}

static struct error *settle(struct job *job, struct error *e)
{
    struct jobs *j = job->jobs;
    if (e && !(job->url && is_final(e)))
        return e;
    json_t *in = report_of(&job->image, e ? "failed" : "done");
    bool gone = false, made = !e && job->url;
    if (e)
        json_set_string(in, "reason", error_message(e));
    else
        json_set_u64(in, "disk_bytes", job->disk_bytes);
    metric_add(e ? &j->failed : job->url ? &j->made : &j->unmade, 1);
    log_failure(LOG_WARNING, e, "making an image");
    RETURN_IF_ERROR(report(j, in, "gone", &gone));
    /* Removed while it was made, by another process that found no manifest yet: the cloud has nothing to remove it for. */
    return made && gone ? image_unmake(j->store, &job->image, job->key) : NULL;
}

static struct error *do_job(struct jobs *j, const json_t *o)
{
    struct job job = {.jobs = j};
    struct image_grant grant = {0};
    const char *kind, *text;
    RETURN_IF_ERROR(json_need_string(o, "kind", &kind));
    RETURN_IF_ERROR(json_need_id(o, "image_id", &job.image));
    RETURN_IF_ERROR(json_need_string(o, "grant", &text));
    if (streq(kind, "make"))
        RETURN_IF_ERROR(json_need_string(o, "source_url", &job.url));
    grant.image = job.image;
    RETURN_IF_ERROR(image_grant_open(&grant, &j->pair, text, job.key));
    struct error *e = job.url ? make(&job) : image_unmake(j->store, &job.image, job.key);
    e = settle(&job, e);
    wipe(job.key, sizeof job.key);
    return e;
}

static struct error *turn(struct jobs *j, bool *ret_worked)
{
    _cleanup_json_ json_t *o = NULL;
    RETURN_IF_ERROR(ask(j, "TakeImageJob", json_object(), &o));
    if (!json_object_get(o, "kind"))
        return NULL;
    RETURN_IF_ERROR(do_job(j, o));
    *ret_worked = true;
    return NULL;
}

/* ---- life ---- */

void jobs_run(struct jobs *j)
{
    while (!atomic_load(&j->stop)) {
        bool worked = false;
        log_failure(LOG_WARNING, turn(j, &worked), "image job");
        for (uint64_t waited = 0; !worked && waited < j->config->poll_ms && !atomic_load(&j->stop); waited += NAP_MS)
            usleep(NAP_MS * 1000);
    }
}

struct error *jobs_callers(const struct service_config *c, struct aws_caller **ret_cloud, struct aws_caller **ret_store)
{
    struct credentials keys = {0};
    RETURN_IF_ERROR(error_wrap(credentials_read(c->credentials_file, &keys), "credentials-file"));
    struct aws_caller_options cloud = {c->cloud_url, keys.access_key_id, keys.secret, c->region, "mallee", c->ca_file};
    struct aws_caller_options store = {c->store_url, keys.access_key_id, keys.secret, c->region, "s3", c->ca_file};
    struct error *e = error_wrap(aws_caller_new(&cloud, ret_cloud), "cloud-url");
    if (!e)
        e = error_wrap(aws_caller_new(&store, ret_store), "store-url");
    credentials_free(&keys);
    return e;
}

struct error *jobs_open(struct jobs *j, const struct service_config *config)
{
    struct http_client_options http = {.ca_file = config->ca_file};
    _cleanup_free_ char *path = xasprintf("%s/service.key", config->state_dir);
    j->config = config;
    RETURN_IF_ERROR(file_make_dirs(config->state_dir));
    RETURN_IF_ERROR(error_wrap(wrap_pair_file(path, &j->pair), "the service's key"));
    j->public_key = hex_encode(j->pair.public, sizeof j->pair.public);
    RETURN_IF_ERROR(jobs_callers(config, &j->cloud, &j->store));
    return http_client_new(&http, &j->http);
}

void jobs_close(struct jobs *j)
{
    aws_caller_free(j->cloud);
    aws_caller_free(j->store);
    http_client_free(j->http);
    wipe(&j->pair, sizeof j->pair);
    free(j->public_key);
}
