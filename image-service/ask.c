/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/ask.h"

#define ANSWER_MAX (1u << 20)

struct error *ask_cloud(struct aws_caller *cloud, const char *public_key, const char *action, json_t *in, json_t **ret)
{
    _cleanup_json_ json_t *taken = in;
    json_set_string(in, "public_key", public_key);
    _cleanup_free_ char *body = json_text(taken), *path = xasprintf("/admin/%s", action);
    struct http_header type = {"Content-Type", "application/json"};
    struct aws_call call = {
        .method = "POST", .path = path, .headers = &type, .nheaders = 1, .body = body, .len = strlen(body)};
    _cleanup_http_reply_ struct http_reply reply = {0};
    struct error *e = aws_call(cloud, &call, &reply);
    if (!e && reply.status != 200)
        e = error_new(ERROR_UNAVAILABLE, "the Cloud Controller answered %u: %.300s", reply.status,
                      str_text(&reply.body));
    if (!e)
        e = json_parse_object(str_text(&reply.body), reply.body.len, ANSWER_MAX, ret);
    return error_wrap(e, "%s", action);
}
