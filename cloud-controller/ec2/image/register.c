/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"
#include "common/base/clock.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789()[] ./-'@_"

static struct error *check_request(const struct ec2_register_image_request *in)
{
    size_t len = strlen(in->name), slash = strcspn(in->image_location, "/");
    if (len < 3 || len > 128 || in->name[strspn(in->name, NAME_CHARACTERS)])
        return error_new(EC2_INVALID_AMI_NAME_MALFORMED,
                         "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
                         "'(', ')', '.', '-', '/' and '_'");
    if (in->description && strlen(in->description) > 255)
        return error_new(API_INVALID_PARAMETER_VALUE, "The description must have at most 255 characters.");
    if (in->architecture && !streq(in->architecture, "x86_64"))
        return error_new(API_INVALID_PARAMETER_VALUE, "The architecture is x86_64.");
    if (in->virtualization_type && !streq(in->virtualization_type, "hvm"))
        return error_new(API_INVALID_PARAMETER_VALUE, "The virtualization type is hvm.");
    if (slash < 3 || slash > 63 || !in->image_location[slash] || !in->image_location[slash + 1] ||
        strlen(in->image_location) > 63 + 1 + 1024)
        return error_new(API_INVALID_PARAMETER_VALUE,
                         "The image's location is BUCKET/KEY of a raw or qcow2 disk, not '%.80s'", in->image_location);
    return NULL;
}

static struct error *insert(struct db_tx *tx, void *arg)
{
    return store_image_insert(tx, arg, clock_wall_ms());
}

struct error *ec2_register_image(struct request_ctx *ctx, const struct ec2_register_image_request *in,
                                 struct ec2_register_image_response *ret_out)
{
    RETURN_IF_ERROR(check_request(in));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    size_t slash = strcspn(in->image_location, "/");
    struct store_image i = {.id = id_random("ami-"), .account = ctx->account};
    i.name = xstrdup(in->name);
    i.description = xstrdup(in->description);
    i.architecture = xstrdup("x86_64");
    i.state = xstrdup("pending");
    i.source_bucket = xstrndup(in->image_location, slash);
    i.source_key = xstrdup(in->image_location + slash + 1);
    keys_image_make(ctx->cloud->keys, &i);
    struct error *e = db_write_wait(ctx->cloud->db, DB_FORCED, insert, &i);
    if (error_is(e, &ERROR_EXISTS))
        e = error_recode(e, &EC2_INVALID_AMI_NAME_DUPLICATE, "AMI name %s is already in use", in->name);
    if (!e)
        ret_out->image_id = xstrdup(i.id.text);
    store_image_free(&i);
    return e;
}

/* ---- DeregisterImage ---- */

struct deregistering {
    struct request_ctx *ctx;
    const char *id;
};

static struct error *deregister(struct db_tx *tx, void *arg)
{
    const struct deregistering *d = arg;
    RETURN_IF_ERROR(store_image_deregister(tx, d->ctx->account.text, d->id));
    return store_tag_delete_all(tx, d->ctx->account.text, d->id);
}

struct error *ec2_deregister_image(struct request_ctx *ctx, const struct ec2_deregister_image_request *in,
                                   struct ec2_deregister_image_response *ret_out)
{
    struct deregistering d = {ctx, in->image_id};
    if (!ec2_id_ok(in->image_id, "ami-"))
        return error_new(EC2_INVALID_AMIID_MALFORMED, "Invalid id: \"%.80s\"", in->image_id);
    RETURN_IF_ERROR(authorize(ctx, in->image_id));
    struct error *e = db_write_wait(ctx->cloud->db, DB_FORCED | DB_RESCUE, deregister, &d);
    if (error_is(e, &ERROR_NOT_FOUND))
        e = error_recode(e, &EC2_INVALID_AMIID_NOT_FOUND, "The image id '[%s]' does not exist", in->image_id);
    RETURN_IF_ERROR(e);
    ret_out->return_ = true;
    ret_out->has_return_ = true;
    return NULL;
}
