/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An event as the comparable thing that a container did: object, outcome and numbers as
 * event.proto has them for each kind. It decides nothing and remembers nothing.
 * Thread: the pipeline's. Ceiling: that of the two buffers of struct occur, which are used again
 * for every event.
 */
#include "collector/event.h"
#include "collector/occurrence.h"

struct occur {
	struct pw_buf object, object2;
};

/* Fills all but target; o->image must be set. Texts live until the next call. */
void occur_fill(struct occur *x, const struct event *e, struct occurrence *o);
