/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cloud-controller/cloud.h"

int main(int argc, char **argv)
{
    return daemon_run(&cloud_daemon, argc, argv);
}
