/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "common/base/id.h"
#include <stdlib.h>
#include <errno.h>
#include <sys/random.h>
#include "common/base/str.h"

bool id_valid(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return len > 0 && len <= ID_MAX && text[len] == '\0';
}

bool id_parse(const char *text, struct id *ret)
{
    memset(ret, 0, sizeof *ret);
    if (!text || !id_valid(text))
        return false;
    memcpy(ret->text, text, strlen(text));
    return true;
}

struct id id_of(const char *text)
{
    struct id id;
    if (!id_parse(text, &id))
        abort();
    return id;
}

void random_bytes(void *data, size_t size)
{
    unsigned char *p = data;
    while (size) {
        ssize_t got = getrandom(p, size, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            abort();
        }
        p += got;
        size -= (size_t)got;
    }
}

struct id id_random(const char *prefix)
{
    unsigned char bytes[9];
    random_bytes(bytes, sizeof bytes);
    _cleanup_free_ char *hex = hex_encode(bytes, sizeof bytes);
    hex[17] = '\0';
    _cleanup_str_ struct str text = STR_INIT;
    str_add(&text, prefix);
    str_add(&text, hex);
    return id_of(text.data);
}
