/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cluster-controller/cluster.h"

int main(int argc, char **argv)
{
    return daemon_run(&cluster_daemon, argc, argv);
}
