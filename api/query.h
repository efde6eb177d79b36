/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_QUERY_H
#define API_QUERY_H
/* The EC2 query protocol inwards: flat parameters ("Filter.1.Value.2=x") into a shape's struct.
 *
 * Lists count from 1, in any order and with gaps.  What the shape does not know is refused (UnknownParameter), as is what it
 * knows and we cannot honour.  Depth, count and index are bounded.  Errors are rows of schemas/errors. */
#include "api/params.h"
#include "api/shape.h"

#define QUERY_DEPTH_MAX 8
#define QUERY_INDEX_MAX 10000

/* True for what is not a parameter of the action: Action, Version, the parts of a signature. */
bool query_is_common(const char *name);
/* Fills the zeroed struct; after an error too it is to be freed with shape_free(). */
struct error *query_read(const struct params *params, const struct api_shape *shape, void *ret) _must_check_;
/* A value of a scalar type, for other walkers too. `name` is for messages. */
struct error *scalar_parse(const struct api_field *f, const char *name, const char *text, void *value) _must_check_;
#endif
