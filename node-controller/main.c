/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/str.h"
#include "node-controller/node.h"

int main(int argc, char **argv)
{
    for (int k = 1; k < argc; k++) {
        if (streq(argv[k], "--print-id")) {
            for (; k < argc; k++) /* the rest of the flags is the configuration's */
                argv[k] = argv[k + 1];
            return node_print_id(argc - 1, argv);
        }
    }
    return daemon_run(&node_daemon, argc, argv);
}
