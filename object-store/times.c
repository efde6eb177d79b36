/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <stdio.h>
#include <time.h>
#include "api/uri.h"
#include "common/xml/xml.h"
#include "object-store/call.h"

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

char *http_date(int64_t ms)
{
    time_t at = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&at, &tm);
    return xasprintf("%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                     tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

bool http_date_parse(const char *text, int64_t *ret_ms)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S +0000",
                                        "%a, %d %b %Y %H:%M:%S -0000", "%Y%m%dT%H%M%SZ"};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end && !*end) {
            *ret_ms = (int64_t)timegm(&tm) * 1000;
            return true;
        }
    }
    return false;
}

void add_key(struct str *out, const char *element, const char *key, size_t len, bool encode)
{
    struct str text = STR_INIT;
    if (encode)
        uri_encode(&text, key, len, true);
    else
        str_add_n(&text, key, len);
    xml_element(out, element, str_text(&text));
    str_free(&text);
}
