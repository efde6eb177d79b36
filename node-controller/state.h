/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROLLER_STATE_H
#define NODE_CONTROLLER_STATE_H
/* What a node keeps in its state folder: its identity, its boots and runs, and one file per instance that it holds
 * or refuses (a tombstone).
 *
 *   identity.json      the node's id: an empty folder is a new node
 *   self.json          cloud id, highest epoch, run, boot, boot id of the host
 *   records/ID.json    core/node.h's struct node_record
 *   instances/ID/      the disk and the console log, there only while the instance is
 *
 * Writes are durable when they return.  Main loop's thread only, but for state_instance_dir(). */
#include "core/node.h"

struct state;

/* Opens or makes the folder. */
struct error *state_open(const char *dir, struct state **ret) _must_check_;
void state_close(struct state *s);
DEFINE_CLEANUP(struct state *, state_close)

struct id state_node_id(const struct state *s);
/* What was stored of the node itself; zeros at first. `*ret_boot_id` is allocated, NULL at first. */
struct error *state_load_self(const struct state *s, struct node_self *ret, char **ret_boot_id) _must_check_;
struct error *state_write_self(const struct state *s, const struct node_self *self, const char *boot_id)
    _must_check_;
/* Hands every stored record, shared object and operation to the model. */
struct error *state_load_records(const struct state *s, struct node_model *n) _must_check_;
struct error *state_write_record(const struct state *s, const struct node_record *r) _must_check_;
struct error *state_drop_record(const struct state *s, const struct id *id) _must_check_;
struct error *state_write_shared(const struct state *s, const struct node_shared *shared) _must_check_;
struct error *state_drop_shared(const struct state *s, const struct id *id) _must_check_;
struct error *state_write_operation(const struct state *s, const struct node_operation *op) _must_check_;
struct error *state_drop_operation(const struct state *s, const struct id *id) _must_check_;
/* Path of an instance's folder, allocated; any thread. */
char *state_instance_dir(const struct state *s, const char *id);
/* Folders under instances/: what the node must not leave behind. */
typedef ARRAY(struct id) state_ids;
struct error *state_instance_dirs(const struct state *s, state_ids *ret) _must_check_;
#endif
