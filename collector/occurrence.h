/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Something a container did, ready to be compared and told: what pending, seen and batcher hand
 * to each other. Borrows its image and its object.
 * Thread: the pipeline's.
 */
#include "collector/bpf/abi.h"
#include "collector/image.h"

struct occurrence {
	struct image *image;
	struct pw_boot time;
	struct image *target;            /* of the process acted upon; NULL = none or unknown */
	struct pw_slice object, object2; /* empty = none */
	uint64_t extra; /* further part of the comparison (exec: parent and arguments) */
	uint64_t arg;
	uint32_t aux, count;
	int32_t ret;
	uint16_t syscall;       /* x86-64 number + 1; 0 = none */
	struct abi_known known; /* how the kernel side recognises repeats of it */
	uint8_t kind;           /* enum pw_event_kind */
	uint8_t flags;          /* EventFlag */
};

/* Copies both texts to `to`, which has room for them, and points at the copies. */
static inline void occurrence_keep_texts(struct occurrence *o, void *to)
{
	uint8_t *at = to;

	if (o->object.len > 0)
		memcpy(at, o->object.ptr, o->object.len);
	o->object = pw_slice_of(at, o->object.len);
	at += o->object.len;
	if (o->object2.len > 0)
		memcpy(at, o->object2.ptr, o->object2.len);
	o->object2 = pw_slice_of(at, o->object2.len);
}
