/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cli/progress.h"
#include <stdio.h>
#include <unistd.h>

#define BAR 40

void progress_show(struct progress *p, const char *what, int percent)
{
    if (percent == p->shown)
        return;
    p->shown = percent;
    if (!isatty(STDERR_FILENO)) {
        if (percent % 25 == 0)
            fprintf(stderr, "%s %d %%\n", what, percent);
        return;
    }
    char bar[BAR + 1];
    for (int i = 0; i < BAR; i++)
        bar[i] = i * 100 < percent * BAR ? '#' : '.';
    bar[BAR] = '\0';
    fprintf(stderr, "\r%-10s [%s] %3d %%%s", what, bar, percent, percent == 100 ? "\n" : "");
}

void progress_show_part(struct progress *p, const char *what, uint64_t done, uint64_t all)
{
    progress_show(p, what, all ? (int)(done * 100 / all) : 100);
}
