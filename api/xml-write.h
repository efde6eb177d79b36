/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_XML_WRITE_H
#define API_XML_WRITE_H
/* Answers as XML, in EC2's form (lists of <item>, requestId first) and in that of IAM and STS (lists of <member>, a
 * Result inside the Response). */
#include "api/shape.h"

enum xml_dialect {
    XML_EC2,
    XML_IAM,
};

/* The members of a struct, their texts escaped. */
void xml_members(struct str *out, enum xml_dialect dialect, const struct api_shape *shape, const void *value);
/* A whole answer; `xmlns` is the service's namespace. */
void xml_answer(struct str *out, enum xml_dialect dialect, const char *action, const char *xmlns,
                const char *request_id, const struct api_shape *shape, const void *value);
/* EC2's answer with an empty set and nothing else. */
void xml_empty_set(struct str *out, const char *action, const char *xmlns, const char *request_id, const char *set);
/* A whole error document. */
void xml_error(struct str *out, enum xml_dialect dialect, const char *code, int status, const char *message,
               const char *request_id);
#endif
