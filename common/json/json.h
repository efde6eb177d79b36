/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_JSON_JSON_H
#define COMMON_JSON_JSON_H
/* JSON through jansson, with our errors and with bounds on what comes from outside. */
#include <jansson.h>
#include <stdint.h>
#include "common/base/cleanup.h"
#include "common/base/error.h"
#include "common/base/id.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Parses one object of at most `max` bytes and sane depth; duplicate keys are refused. */
struct error *json_parse_object(const char *text, size_t len, size_t max, json_t **ret) _must_check_;
/* Compact text with sorted keys, allocated. */
char *json_text(const json_t *value);

/* Members of an object that must be there and of their type. */
struct error *json_need_string(const json_t *o, const char *key, const char **ret) _must_check_;
struct error *json_need_u64(const json_t *o, const char *key, uint64_t *ret) _must_check_;
struct error *json_need_id(const json_t *o, const char *key, struct id *ret) _must_check_;
struct error *json_need_array(const json_t *o, const char *key, json_t **ret) _must_check_;
/* Members that may be absent. */
const char *json_get_string(const json_t *o, const char *key, const char *otherwise);
uint64_t json_get_u64(const json_t *o, const char *key, uint64_t otherwise);
bool json_get_bool(const json_t *o, const char *key, bool otherwise);

void json_set_string(json_t *o, const char *key, const char *value);
void json_set_u64(json_t *o, const char *key, uint64_t value);
void json_set_bool(json_t *o, const char *key, bool value);
void json_set(json_t *o, const char *key, json_t *take);
void json_push(json_t *array, json_t *take);
#endif
