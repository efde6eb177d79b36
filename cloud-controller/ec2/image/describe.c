/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/ec2/common.h"
#include "common/base/clock.h"

static const char *const filter_names[] = {
    "architecture", "description", "hypervisor", "image-id", "image-type", "is-public",           "manifest-location", "name",
    "owner-id",     "owner-alias", "root-device-name", "root-device-type", "state", "state-reason-code",
    "virtualization-type", NULL};

struct describe {
    struct request_ctx *ctx;
    const struct ec2_describe_images_request *in;
    struct ec2_describe_images_response *out;
};

static void collect(const struct ec2_image *i, facts *f)
{
    fact_add(f, "architecture", i->architecture);
    fact_add(f, "description", i->description);
    fact_add(f, "hypervisor", i->hypervisor);
    fact_add(f, "image-id", i->image_id);
    fact_add(f, "image-type", i->image_type);
    fact_flag(f, "is-public", i->is_public);
    fact_add(f, "manifest-location", i->image_location);
    fact_add(f, "name", i->name);
    fact_add(f, "owner-id", i->image_owner_id);
    fact_add(f, "root-device-name", i->root_device_name);
    fact_add(f, "root-device-type", i->root_device_type);
    fact_add(f, "state", i->image_state);
    fact_add(f, "state-reason-code", i->state_reason ? i->state_reason->code : NULL);
    fact_add(f, "virtualization-type", i->virtualization_type);
}

static void fill(const struct store_image *row, const store_tags *tags, struct ec2_image *ret)
{
    ret->image_id = xstrdup(row->id.text);
    ret->image_location = row->source_bucket ? xasprintf("%s/%s", row->source_bucket, row->source_key)
                                             : xasprintf("%s/%s", row->account.text, row->name);
    ret->image_state = xstrdup(row->state);
    ret->image_owner_id = xstrdup(row->account.text);
    ret->is_public = row->public;
    ret->has_is_public = true;
    ret->architecture = xstrdup(row->architecture);
    ret->image_type = xstrdup("machine");
    ret->creation_date = clock_iso8601(row->created_ms);
    ret->name = xstrdup(row->name);
    ret->description = xstrdup(row->description);
    ret->root_device_type = xstrdup("instance-store");
    ret->root_device_name = xstrdup("/dev/vda");
    ret->virtualization_type = xstrdup("hvm");
    ret->hypervisor = xstrdup("kvm");
    ret->platform_details = xstrdup("Linux/UNIX");
    if (row->reason) {
        ret->state_reason = xnew0(struct ec2_state_reason);
        ret->state_reason->code = xstrdup("Client.InvalidImage");
        ret->state_reason->message = xstrdup(row->reason);
    }
    tags_put(tags, &ret->tag_set);
}

static bool owner_wanted(const struct describe *d, const struct store_image *row)
{
    bool wanted = !d->in->owner.len;
    array_each(&d->in->owner, o)
        wanted |= streq(*o, row->account.text) || (streq(*o, "self") && id_eq(&row->account, &d->ctx->account));
    bool executable = !d->in->executable_by.len;
    array_each(&d->in->executable_by, o)
        executable |= row->public ? streq(*o, "all") : streq(*o, "self");
    return wanted && executable;
}

static bool passes(const struct describe *d, const struct store_image *row, const struct ec2_image *image,
                   const store_tags *tags)
{
    bool named = !d->in->image_id.len;
    array_each(&d->in->image_id, id)
        named |= id_is(&row->id, *id);
    facts f = {0};
    collect(image, &f);
    named = named && filters_pass(d->in->filter.data, d->in->filter.len, &f, tags);
    facts_free(&f);
    return named && owner_wanted(d, row);
}

static struct error *add(struct describe *d, struct db_tx *tx, const struct store_image *row)
{
    _cleanup_tags_ store_tags tags = {0};
    RETURN_IF_ERROR(tags_read(tx, d->ctx->account.text, row->id.text, &tags));
    struct ec2_image *image = array_add(&d->out->images_set);
    fill(row, &tags, image);
    if (!passes(d, row, image, &tags)) {
        shape_free(&ec2_image_shape, image);
        d->out->images_set.len--;
    }
    return NULL;
}

static struct error *check_ids(const struct describe *d, const store_images *all)
{
    array_each(&d->in->image_id, id) {
        bool known = false;
        array_each(all, i)
            known |= id_is(&i->id, *id);
        if (!known)
            return error_new(EC2_INVALID_AMIID_NOT_FOUND, "The image id '[%s]' does not exist", *id);
    }
    return NULL;
}

static struct error *read_images(struct db_tx *tx, void *arg)
{
    struct describe *d = arg;
    store_images all = {0};
    struct error *e = store_image_list(tx, d->ctx->account.text, &all);
    if (!e)
        e = check_ids(d, &all);
    array_each(&all, row) {
        if (!e)
            e = add(d, tx, row);
        store_image_free(row);
    }
    array_free(&all);
    return e;
}

struct error *ec2_describe_images(struct request_ctx *ctx, const struct ec2_describe_images_request *in,
                                  struct ec2_describe_images_response *ret_out)
{
    struct describe d = {ctx, in, ret_out};
    array_each(&in->image_id, id) {
        if (!ec2_id_ok(*id, "ami-"))
            return error_new(EC2_INVALID_AMIID_MALFORMED, "Invalid id: \"%.80s\"", *id);
    }
    RETURN_IF_ERROR(filters_check(in->filter.data, in->filter.len, filter_names, true));
    RETURN_IF_ERROR(authorize(ctx, "*"));
    return db_read(ctx->cloud->db, read_images, &d);
}
