/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_GUESTS_H
#define NODE_CONTROLLER_GUESTS_H
/* Which instances this node holds, for threads other than the model's: the metadata service finds a caller here.
 *
 * Kept by the main loop beside the durable records.  Any thread may look. */
#include "common/base/array.h"
#include "common/base/error.h"
#include "common/base/id.h"
#include "node-controller/image-cache/image-cache.h"

struct guests;

struct guests *guests_new(void);
void guests_free(struct guests *g);
/* The instance is held, with this body; a body that names no address is kept, and found by nobody. */
void guests_put(struct guests *g, const struct id *instance, const char *body);
void guests_drop(struct guests *g, const struct id *instance);
/* The body of who has the address in the VPC, allocated, and its id; NULL: nobody. */
char *guests_find(struct guests *g, const struct id *vpc, const char *address, struct id *ret_instance);
struct guest_copy {
    struct id instance;
    char *body; /* allocated */
};
typedef ARRAY(struct guest_copy) guest_copies;
void guests_all(struct guests *g, guest_copies *ret);
/* The images that the instances' records name. */
void guests_images(struct guests *g, image_ids *add);
#endif
