/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Something a container did, ready to be compared and told: what pending, seen and batcher hand
 * to each other. Borrows its image and its object.
 * Thread: the pipeline's.
 */
#include "collector/image.h"

struct occurrence {
	struct image *image;
	struct pw_boot time;
	struct pw_slice object; /* empty = none */
	uint64_t extra;         /* further part of the comparison (exec: parent and arguments) */
	uint32_t aux, count;
	int32_t ret;
	uint8_t kind;  /* enum pw_event_kind */
	uint8_t flags; /* EventFlag */
};
