/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_URI_H
#define API_URI_H
/* Percent-encoding as AWS signs it. */
#include "common/base/str.h"

/* Everything but letters, digits, "-._~" (and '/' where kept) becomes %XX. */
void uri_encode(struct str *out, const char *text, size_t len, bool keep_slash);
/* Decodes %XX, and '+' as a space where asked.  False for a broken escape. The bytes may hold NULs. */
bool uri_decode(struct str *out, const char *text, size_t len, bool plus_is_space);
#endif
