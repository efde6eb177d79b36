/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/gen/sts.h"
#include "cloud-controller/request.h"

struct error *sts_get_caller_identity(struct request_ctx *ctx, const struct sts_get_caller_identity_request *in,
                                      struct sts_get_caller_identity_response *ret_out)
{
    (void)in; /* no rights are needed: whoever has a key may ask whose it is */
    ret_out->arn = xasprintf("arn:aws:iam::%s:root", ctx->account.text);
    ret_out->user_id = xstrdup(ctx->account.text);
    ret_out->account = xstrdup(ctx->account.text);
    return NULL;
}
