/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/gen/admin.h"
#include "cloud-controller/request.h"

static struct error *publish(struct db_tx *tx, void *arg)
{
    return store_image_publish(tx, arg);
}

struct error *admin_publish_image(struct request_ctx *ctx,
                                  const struct admin_publish_image_request *in,
                                  struct admin_publish_image_response *ret_out)
{
    RETURN_IF_ERROR(authorize(ctx, in->image_id));
    struct error *e = db_write_wait(ctx->cloud->db, DB_FORCED, publish, in->image_id);
    if (error_is(e, &ERROR_NOT_FOUND))
        return error_recode(e, &ADMIN_IMAGE_NOT_FOUND, "There is no image %.40s.", in->image_id);
    RETURN_IF_ERROR(e);
    ret_out->image_id = xstrdup(in->image_id);
    return NULL;
}
