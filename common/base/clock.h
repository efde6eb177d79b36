/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H
/* Time.  Decisions use the monotonic clock only; the wall clock is for people and for signatures. */
#include <stdint.h>

/* Milliseconds of the monotonic clock. */
int64_t clock_mono_ms(void);
/* Milliseconds since 1970, UTC. */
int64_t clock_wall_ms(void);
/* ISO 8601 of a wall time, "2026-11-23T14:00:00.000Z", allocated. */
char *clock_iso8601(int64_t wall_ms);
#endif
