/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_METADATA_TREE_H
#define NODE_CONTROLLER_METADATA_TREE_H
/* What an instance may read about itself, as a tree: objects are folders, texts are files.  Only what there is is in
 * it: a name that is listed can be read. */
#include "common/base/id.h"
#include "common/json/json.h"

/* Below "meta-data/". */
json_t *tree_meta_data(const struct id *instance, const json_t *body);
/* Below "dynamic/". */
json_t *tree_dynamic(const struct id *instance, const json_t *body);
/* The private name of an address: "ip-172-31-0-5.ec2.internal", allocated. */
char *tree_host_name(const char *address);
#endif
