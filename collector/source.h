/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where records come from: the kernel (probe.h) or a recorded file (replay.h); record.h stands in
 * front of either and tees what passes into a file. A source delivers raw records of
 * collector/bpf/abi.h, one by one, and nothing else.
 *
 * What a consumer may rely on for each record: it is aligned to 8 bytes, len == header.size,
 * sizeof(struct abi_header) <= len <= ABI_RECORD_MAX. Everything else (kind, spans) it checks
 * itself. Order: records of one CPU come in their order; across CPUs order by boot_ns is only near.
 *
 * Thread: the owner's, one at a time. A source wakes nobody and creates no thread.
 */
#include "collector/bpf/abi.h"
#include "common/base/err.h"
#include <stdbool.h>
#include <stddef.h>

struct source;

/*
 * One record, borrowed until the function returns. 0 = go on; anything else stops the running
 * source_consume after this record, which counts as delivered.
 */
typedef int (*source_record_fn)(void *ctx, const void *record, size_t len);

/* Facts of the boot that the records belong to. */
struct source_info {
	const char *name; /* "kernel", "replay" */
	bool live;        /* false: times are of the past, /proc does not describe the processes */
	uint32_t abi_version;
	int64_t boot_to_wall_ns; /* wall = header.boot_ns + this, at the time of opening or
				    recording */
	char boot_id[37];        /* /proc/sys/kernel/random/boot_id, "" = unknown */
};

struct source_stats {
	struct abi_counters kernel; /* summed over CPUs; all 0 for a replay */
	uint64_t recursion_misses;  /* program runs that the kernel skipped: events never seen */
	uint64_t delivered;         /* records handed to the callback */
	uint64_t delivered_bytes;
	uint64_t refused; /* records with an impossible size, not handed over */
};

/* Implemented by probe.c, replay.c and record.c; users call the functions below. */
struct source_ops {
	const char *name;
	int (*fd)(const struct source *s);
	int (*consume)(struct source *s, unsigned max_records, source_record_fn fn, void *ctx,
		struct pw_err *err);
	int (*stats)(struct source *s, struct source_stats *ret);
	void (*info)(const struct source *s, struct source_info *ret);
	void (*close)(struct source *s); /* frees s */
};

/* First member of every implementation's struct. */
struct source {
	const struct source_ops *ops;
};

/*
 * Descriptor that becomes readable when records wait and the fill level is high, or -1 (replay).
 * Call source_consume on a timer of at most 50 ms as well: below the level nothing wakes.
 */
static inline int source_fd(const struct source *s)
{
	return s->ops->fd(s);
}

/*
 * Hands over what is there, at most max_records (0 = all), without waiting. Returns the number of
 * records handed over (0 = nothing right now), -ENODATA when a replay is at its end, or another
 * negative errno with err set (replay: damaged file, with the offset); what was handed over before
 * the error stays delivered.
 */
static inline int source_consume(
	struct source *s, unsigned max_records, source_record_fn fn, void *ctx, struct pw_err *err)
{
	return s->ops->consume(s, max_records, fn, ctx, err);
}

/* 0 or a negative errno (*ret untouched). Costs some system calls: once a second is fine. */
static inline int source_stats(struct source *s, struct source_stats *ret)
{
	return s->ops->stats(s, ret);
}

static inline void source_info(const struct source *s, struct source_info *ret)
{
	s->ops->info(s, ret);
}

static inline void source_close(struct source *s) /* NULL is fine */
{
	if (s)
		s->ops->close(s);
}

static inline void source_closep(struct source **s)
{
	source_close(*s);
}
