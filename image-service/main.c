/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "image-service/service.h"

int main(int argc, char **argv)
{
    return daemon_run(&service_daemon, argc, argv);
}
