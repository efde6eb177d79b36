/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SHAPE_JSON_H
#define API_SHAPE_JSON_H
/* Shapes as JSON: the admin API, the CLI and the console.  Members have their wire names. */
#include "api/shape.h"
#include "common/json/json.h"

json_t *shape_to_json(const struct api_shape *shape, const void *value);
/* Fills the zeroed struct; unknown and missing members are refused. After an error too: shape_free(). */
struct error *shape_from_json(const struct api_shape *shape, const json_t *o, void *ret) _must_check_;
#endif
