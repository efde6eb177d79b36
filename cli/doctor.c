/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/doctor.h"
#include <stdarg.h>
#include <stdio.h>
#include "cli/table.h"
#include "common/base/array.h"
#include "common/json/json.h"

static const char *const verdict_names[] = {"good", "warning", "bad"};

static void _printf_(2, 0) join(struct str *to, const char *format, va_list list)
{
    va_list again;
    va_copy(again, list);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0)
        return;
    char *text = xmalloc((size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, list);
    str_printf(to, "%s%s", to->len ? "; " : "", text);
    free(text);
}

void finding_say(struct finding *f, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    join(&f->found, format, list);
    va_end(list);
}

void finding_worse(struct finding *f, enum verdict v, const char *advice, ...)
{
    va_list list;
    va_start(list, advice);
    join(&f->advice, advice, list);
    va_end(list);
    if (v > f->verdict)
        f->verdict = v;
}

static void add_for_people(struct str *out, const char *name, const struct finding *f)
{
    str_printf(out, "%-8s %-18s ", verdict_names[f->verdict], name);
    table_add_text(out, str_text(&f->found));
    if (f->advice.len) {
        str_printf(out, "\n%-8s %-18s to do: ", "", "");
        table_add_text(out, str_text(&f->advice));
    }
    str_add_char(out, '\n');
}

static void add_as_json(json_t *list, const char *name, const struct finding *f)
{
    json_t *o = json_object();
    json_set_string(o, "check", name);
    json_set_string(o, "verdict", verdict_names[f->verdict]);
    json_set_string(o, "found", str_text(&f->found));
    if (f->advice.len)
        json_set_string(o, "advice", str_text(&f->advice));
    json_push(list, o);
}

enum verdict doctor_run(const struct doctor *d, bool json, struct str *out)
{
    enum verdict worst = VERDICT_GOOD;
    _cleanup_json_ json_t *all = json_object();
    json_t *list = json_array();
    for (size_t i = 0; i < doctor_checks_len; i++) {
        struct finding f = {VERDICT_GOOD, STR_INIT, STR_INIT};
        doctor_checks[i].look(d, &f);
        worst = f.verdict > worst ? f.verdict : worst;
        if (json)
            add_as_json(list, doctor_checks[i].name, &f);
        else
            add_for_people(out, doctor_checks[i].name, &f);
        str_free(&f.found);
        str_free(&f.advice);
    }
    json_set(all, "checks", list);
    json_set_string(all, "verdict", verdict_names[worst]);
    if (json) {
        _cleanup_free_ char *text = json_text(all);
        str_printf(out, "%s\n", text);
    }
    return worst;
}
