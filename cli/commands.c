/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/commands.h"
#include "cli/table.h"
#include "common/base/array.h"

static const struct column daemon_columns[] = {
    {"DAEMON", COLUMN_TEXT, "name", NULL},    {"ID", COLUMN_TEXT, "id", NULL},
    {"ZONE", COLUMN_TEXT, "zone", NULL},      {"STATE", COLUMN_TEXT, "state", NULL},
    {"VERSION", COLUMN_TEXT, "version", NULL}, {"LAST SEEN", COLUMN_AGO, "last_seen_seconds", NULL},
};
static const struct column zone_columns[] = {
    {"ZONE", COLUMN_TEXT, "name", NULL},
    {"STATE", COLUMN_TEXT, "state", NULL},
    {"EPOCH", COLUMN_TEXT, "epoch", NULL},
    {"FREE", COLUMN_SLOTS, "slots", NULL},
};
static const struct column node_columns[] = {
    {"NODE", COLUMN_TEXT, "id", NULL},
    {"ZONE", COLUMN_TEXT, "zone", NULL},
    {"STATE", COLUMN_TEXT, "state", NULL},
    {"BOOT", COLUMN_TEXT, "boot", NULL},
    {"VCPUS", COLUMN_SHARE, "vcpus_used", "vcpus"},
    {"MEMORY MIB", COLUMN_SHARE, "memory_mib_used", "memory_mib"},
    {"INSTANCES", COLUMN_TEXT, "instances", NULL},
};
static const struct column stuck_columns[] = {
    {"STUCK", COLUMN_TEXT, "kind", NULL},
    {"ID", COLUMN_TEXT, "id", NULL},
    {"SINCE", COLUMN_AGO, "since_seconds", NULL},
    {"WHY", COLUMN_TEXT, "why", NULL},
};
static const struct column quarantined_columns[] = {
    {"QUARANTINED AT", COLUMN_TEXT, "node", NULL},
    {"ID", COLUMN_TEXT, "id", NULL},
};
static const struct column event_columns[] = {
    {"TIME", COLUMN_TEXT, "time", NULL},
    {"SOURCE", COLUMN_TEXT, "source", NULL},
    {"MESSAGE", COLUMN_TEXT, "message", NULL},
};
static const struct column account_columns[] = {
    {"ACCOUNT", COLUMN_TEXT, "account_id", NULL},
    {"NAME", COLUMN_TEXT, "name", NULL},
    {"EMAIL", COLUMN_TEXT, "email", NULL},
    {"STATE", COLUMN_TEXT, "state", NULL},
};
static const struct column new_account_columns[] = {
    {"account", COLUMN_TEXT, "account_id", NULL},
    {"name", COLUMN_TEXT, "name", NULL},
    {"access key id", COLUMN_TEXT, "access_key_id", NULL},
    {"secret access key", COLUMN_TEXT, "secret_access_key", NULL},
};

/* One of the tables of `mallee status`; `none` stands for an empty one (NULL: nothing does). */
static void section(struct str *out, const struct column *columns, size_t n, const json_t *rows, const char *none)
{
    if (json_array_size(rows)) {
        str_add_char(out, '\n');
        table_add(out, columns, n, rows);
    } else if (none) {
        str_printf(out, "\n%s\n", none);
    }
}

static void show_status(struct str *out, const json_t *a)
{
    str_add(out, "Mallee ");
    table_add_text(out, json_get_string(a, "version", "?"));
    str_add(out, ", region ");
    table_add_text(out, json_get_string(a, "region", "?"));
    if (json_object_get(a, "broker")) {
        str_add(out, ", broker ");
        table_add_text(out, json_get_string(a, "broker", "?"));
    }
    if (json_object_get(a, "open_requests"))
        str_printf(out, ", %llu open requests", (unsigned long long)json_get_u64(a, "open_requests", 0));
    str_add_char(out, '\n');
    section(out, daemon_columns, ARRAY_SIZE(daemon_columns), json_object_get(a, "daemons"), "No daemon has reported.");
    section(out, zone_columns, ARRAY_SIZE(zone_columns), json_object_get(a, "zones"), "There is no zone.");
    section(out, node_columns, ARRAY_SIZE(node_columns), json_object_get(a, "nodes"), "There is no node.");
    section(out, stuck_columns, ARRAY_SIZE(stuck_columns), json_object_get(a, "stuck"), "Nothing is stuck.");
    section(out, quarantined_columns, ARRAY_SIZE(quarantined_columns), json_object_get(a, "quarantined"), NULL);
}

static void show_events(struct str *out, const json_t *a)
{
    table_add(out, event_columns, ARRAY_SIZE(event_columns), json_object_get(a, "events"));
}

static void show_nodes(struct str *out, const json_t *a)
{
    table_add(out, node_columns, ARRAY_SIZE(node_columns), json_object_get(a, "nodes"));
}

static void show_node(struct str *out, const json_t *a)
{
    const json_t *node = json_object_get(a, "node");
    table_add_one(out, node_columns, ARRAY_SIZE(node_columns), node ? node : a);
}

static void show_fenced(struct str *out, const json_t *a)
{
    const json_t *node = json_object_get(a, "node");
    if (node)
        table_add_one(out, node_columns, ARRAY_SIZE(node_columns), node);
    else
        str_add(out, "fenced\n");
}

static void show_reaped(struct str *out, const json_t *a)
{
    str_printf(out, "node %s is told to destroy it\n", json_get_string(a, "node_id", "?"));
}

static void show_new_account(struct str *out, const json_t *a)
{
    table_add_one(out, new_account_columns, ARRAY_SIZE(new_account_columns), a);
    str_add(out, "The secret is shown this once only.\n");
}

static void show_accounts(struct str *out, const json_t *a)
{
    table_add(out, account_columns, ARRAY_SIZE(account_columns), json_object_get(a, "accounts"));
}

static void show_disabled(struct str *out, const json_t *a)
{
    (void)a;
    str_add(out, "disabled\n");
}

const struct command commands[] = {
    {"status", NULL, NULL, "Status", NULL, show_status,
     "daemons, zones, nodes and their room, what is stuck and why"},
    {"events", NULL, "INSTANCE", "DescribeInstanceEvents", "instance_id", show_events, "what happened to an instance"},
    {"node", "list", NULL, "ListNodes", NULL, show_nodes, "all nodes"},
    {"node", "show", "ID", "GetNode", "node_id", show_node, "one node"},
    {"node", "fence", "ID", "FenceNode", "node_id", show_fenced,
     "declare that a node is off for good: what it held is given up"},
    {"node", "reap", "INSTANCE", "ReapInstance", "instance_id", show_reaped,
     "destroy an instance that a node keeps and the cloud knows nothing of"},
    {"account", "create", "NAME", "CreateAccount", "name", show_new_account, "a new account; shows its keys once"},
    {"account", "list", NULL, "ListAccounts", NULL, show_accounts, "all accounts"},
    {"account", "disable", "ID", "DisableAccount", "account_id", show_disabled, "refuse the account's keys"},
};
const size_t commands_len = ARRAY_SIZE(commands);

const struct command *command_find(char *const *words, size_t n, size_t *ret_words)
{
    for (size_t i = 0; i < commands_len; i++) {
        const struct command *c = &commands[i];
        size_t own = c->verb ? 2 : 1;
        if (n < own || !streq(words[0], c->noun) || (c->verb && !streq(words[1], c->verb)))
            continue;
        *ret_words = own;
        return c;
    }
    return NULL;
}
