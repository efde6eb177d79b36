/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H
/* How far something is, on stderr: a bar on a terminal, a line each quarter elsewhere. */
#include <stdint.h>

struct progress {
    int shown; /* percent; PROGRESS_INIT before the first */
};
#define PROGRESS_INIT ((struct progress){-1})

void progress_show(struct progress *p, const char *what, int percent);
/* The same from amounts; nothing to be done is all done. */
void progress_show_part(struct progress *p, const char *what, uint64_t done, uint64_t all);
#endif
