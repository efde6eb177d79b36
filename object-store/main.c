/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/store.h"

int main(int argc, char **argv)
{
    return daemon_run(&store_daemon, argc, argv);
}
