/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reader of the kernel's ring buffer: checks each record's size and hands it on.
 * Thread: the owner's. Ceiling: the ring's size, set by probe.c.
 */
#include "collector/source.h"

struct ring;

int ring_open(int map_fd, struct ring **ret, struct pw_err *err);
void ring_close(struct ring *r); /* NULL is fine */
/* Readable when the kernel side forced a wake-up. */
int ring_fd(const struct ring *r);
/* As source_consume. */
int ring_consume(
	struct ring *r, unsigned max_records, source_record_fn fn, void *ctx, struct pw_err *err);
uint64_t ring_delivered(const struct ring *r);
uint64_t ring_delivered_bytes(const struct ring *r);
uint64_t ring_refused(const struct ring *r); /* records with an impossible size */
