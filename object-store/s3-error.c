/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "object-store/s3-error.h"

#define S3_DEFINE(name, wire, status, message)                                                     \
    const struct error_code S3_##name = {wire, status, (status) >= 500, message};
S3_ERRORS(S3_DEFINE)
