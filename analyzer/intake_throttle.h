/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * When collectors are asked to wait, and for how long. Not reading already holds them back, but
 * each may then put its window, 1 MiB, into this process's memory: told to wait they keep it in
 * theirs, bounded, folded and written down. Asked for while reports find no room, again and again
 * until there is some, and once by a batch that took long to judge. Private to intake.
 * Thread: the rpc loop's. All functions accept NULL streams, as intake_stream.h does.
 */
#include "analyzer/intake_stream.h"

#define INTAKE_SLOW_MS     250u  /* judged within this nobody is asked for anything */
#define INTAKE_THROTTLE_MS 1000u /* the longest that is asked for */

/* How long to wait after a batch that was judged in this time; 0 = not at all. */
uint32_t intake_throttle_ms(uint64_t judged_ns);
int intake_throttle_init(struct intake *in) PW_MUST_CHECK;
/* The batch of this stream is judged. */
void intake_throttle_judged(struct intake_stream *st);
/* There is room for reports again. */
void intake_throttle_lift(struct intake_stream *st);
