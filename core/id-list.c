/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "core/id-list.h"
#include "common/base/mem.h"
#include "common/base/str.h"

char *id_list_make(const struct id *ids, size_t count)
{
    if (!count)
        return NULL;
    _cleanup_str_ struct str text = STR_INIT;
    for (size_t k = 0; k < count; k++)
        str_printf(&text, "%s%s", k ? " " : "", ids[k].text);
    return xstrdup(str_text(&text));
}

bool id_list_next(const char **cursor, struct id *ret)
{
    memset(ret, 0, sizeof *ret);
    if (!*cursor)
        return false;
    *cursor += strspn(*cursor, " ");
    size_t len = strcspn(*cursor, " ");
    if (!len || len > ID_MAX)
        return false;
    memcpy(ret->text, *cursor, len);
    *cursor += len;
    return true;
}

bool id_list_has(const char *list, const struct id *id)
{
    struct id one;
    while (id_list_next(&list, &one)) {
        if (id_eq(&one, id))
            return true;
    }
    return false;
}
