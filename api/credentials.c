/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "api/credentials.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/file/file.h"

/* The value behind "name =" on the line; NULL: another line. */
static char *value_of(const char *line, const char *name)
{
    if (!str_starts(line, name))
        return NULL;
    line += strlen(name);
    line += strspn(line, " \t");
    if (*line++ != '=')
        return NULL;
    line += strspn(line, " \t");
    return xstrndup(line, strcspn(line, " \t\r"));
}

struct error *credentials_read(const char *path, struct credentials *ret)
{
    char *text = NULL, *line;
    size_t len = 0;
    RETURN_IF_ERROR(file_read(path, 65536, &text, &len));
    const char *at = text;
    memset(ret, 0, sizeof *ret);
    while ((line = str_next_piece(&at, '\n'))) {
        if (!ret->access_key_id)
            ret->access_key_id = value_of(line, "access_key_id");
        if (!ret->secret)
            ret->secret = value_of(line, "secret_access_key");
        wipe(line, strlen(line));
        free(line);
    }
    wipe(text, len);
    free(text);
    if (ret->access_key_id && ret->secret)
        return NULL;
    credentials_free(ret);
    return error_new(ERROR_INVALID, "%s lacks access_key_id or secret_access_key", path);
}

void credentials_free(struct credentials *c)
{
    if (c->secret)
        wipe(c->secret, strlen(c->secret));
    free(c->secret);
    free(c->access_key_id);
    memset(c, 0, sizeof *c);
}
