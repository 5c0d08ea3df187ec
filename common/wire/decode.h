/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Wire form -> events with resolved references, for one stream. The trust boundary of the analyzer:
 * unequal columns, unknown references, ids out of range, repeated definitions with other content,
 * sequence jumps and ceilings are refused with -EINVAL (or -E2BIG) and err naming the field; the
 * stream is then closed with INVALID_ARGUMENT. A refused batch changes nothing.
 * Event kinds newer than this program are left out and counted, all else that is unknown passes.
 * Thread: the stream's. Ceilings: struct pw_decoder_limits.
 */
#include "common/base/err.h"
#include "common/wire/batch.h"
#include "podward/v1/event.pb-c.h"

struct pw_decoder;

struct pw_decoder_limits {
	uint32_t events;     /* per batch, default 4,096 */
	uint32_t strings;    /* per stream and epoch, default 65,536 */
	size_t string_bytes; /* per stream and epoch, containers' texts too, default 32 MiB */
	uint32_t processes;  /* alive per stream, default 65,536 */
	uint32_t containers; /* per stream and epoch, default 8,192 */
};
#define PW_DECODER_LIMITS_DEFAULT                          \
	{                                                  \
		4096, 65536, 32 * 1024 * 1024, 65536, 8192 \
	}

/* Reference-counted, immutable once made: they outlive the stream as long as somebody holds them.
 */
struct pw_container {
	struct pw_container_def def; /* slices point into this object's own memory */
	uint64_t group_hash;         /* XXH3-64 of def.pod_group, seed 0 */
	_Atomic uint32_t refs;
};
/*
 * A process has at most PW_PROCESS_ANCESTORS ancestors, however long the lineage is: past that a
 * new child hangs under a copy of its parent that keeps only the nearest PW_PROCESS_KEPT of them,
 * so the dead ancestors of a living lineage go away and its near parents never do. One process can
 * therefore be more than one object: compare def.ref, not addresses.
 */
#define PW_PROCESS_ANCESTORS 32
#define PW_PROCESS_KEPT      16
#define PW_PROCESS_STRINGS   6
struct pw_dict_string;
struct pw_process {
	struct pw_process_def def;
	struct pw_slice exe, args, cwd, comm, env, script;
	struct pw_process *parent;      /* NULL = unknown; held */
	struct pw_container *container; /* NULL = host; held */
	_Atomic uint32_t refs;
	uint32_t ancestors; /* length of the parent chain */
	struct pw_dict_string
		*strings[PW_PROCESS_STRINGS]; /* private: what the slices point into, held */
	uint64_t mark;                        /* private: the decoder's thread only */
	uint64_t number; /* > 0, no other object of this program ever has it; 0 = made by hand */
};
struct pw_process *pw_process_hold(struct pw_process *p);
void pw_process_put(struct pw_process *p); /* NULL is fine */
struct pw_container *pw_container_hold(struct pw_container *c);
void pw_container_put(struct pw_container *c);

struct pw_event {
	struct pw_boot time;
	struct pw_wall wall;
	struct pw_process *process; /* held by the decoded batch; container by process->container */
	struct pw_process *target;  /* acted upon; held as well; NULL = none or unknown */
	struct pw_slice object;     /* NUL behind it; lives as long as the decoded batch */
	struct pw_slice object2;    /* the same */
	uint64_t arg;
	uint32_t aux, count;
	int32_t ret;
	uint16_t syscall; /* x86-64 number + 1; 0 = none or not told */
	uint8_t kind, flags;
};

/* One decoded batch; owns everything its events point to, may go to another thread. */
struct pw_decoded {
	uint64_t seq;
	uint64_t origin_seq; /* as which batch of which stream it was sent before; 0 = never */
	uint8_t origin[PW_WIRE_INSTANCE];
	struct pw_event *events;
	uint32_t event_count;
	struct pw_loss_entry {
		struct pw_container *container; /* NULL = node; held */
		uint32_t reason;
		uint64_t count;
	} * losses;
	uint32_t loss_count;
	uint32_t skipped;                 /* events left out: kind newer than this program */
	struct pw_arena *arena;           /* private */
	struct pw_dictionary *dictionary; /* private: holds the objects' bytes */
	struct pw_process **held;         /* private */
	uint32_t held_count;
};

struct pw_decoder_stats {
	uint64_t seq; /* of the last batch, 0 = none yet */
	size_t string_bytes;
	uint32_t strings, processes, containers;
};

int pw_decoder_new(const struct pw_decoder_limits *limits, struct pw_decoder **ret) PW_MUST_CHECK;
void pw_decoder_free(struct pw_decoder *d);
struct pw_decoder_stats pw_decoder_stats(const struct pw_decoder *d);
/* -EINVAL, -E2BIG (ceiling), -ENOMEM. */
int pw_decode_batch(struct pw_decoder *d, const Podward__V1__EventBatch *msg,
	struct pw_decoded **ret, struct pw_err *err) PW_MUST_CHECK;
void pw_decoded_free(struct pw_decoded *b);
