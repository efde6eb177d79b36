/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H
/* `mallee doctor`: is this machine fit to be a part of a cloud?
 *
 * Each check is one row of doctor_checks: a function that looks at this machine and leaves a finding: a verdict, what was
 * seen, and, unless all is well, what to do.  Nothing is changed, no daemon is needed.  What only root may look at is a
 * warning for anybody else. */
#include "common/base/str.h"

enum verdict {
    VERDICT_GOOD,
    VERDICT_WARNING, /* works, but not as it could */
    VERDICT_BAD,     /* does not work */
};

struct finding {
    enum verdict verdict;
    struct str found; /* one line */
    struct str advice;  /* one line; empty where nothing is to be done */
};

struct doctor {
    const char *folder; /* where state is, or will be, kept */
    const char *url;    /* of the Cloud Controller, which need not be there */
    const char *ca_file;
    bool root;
};

struct doctor_check {
    const char *name;
    void (*look)(const struct doctor *d, struct finding *f);
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_checks_len;

/* Runs all checks; the text goes to `out`, as lines for people or one JSON object.  The worst verdict. */
enum verdict doctor_run(const struct doctor *d, bool json, struct str *out);

/* For checks: a finding is good until one of these makes it worse; texts are joined with "; ". */
void finding_say(struct finding *f, const char *format, ...) _printf_(2, 3);
void finding_worse(struct finding *f, enum verdict v, const char *advice, ...) _printf_(3, 4);
#endif
