/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One batch of events in memory, self-contained: it owns copies of every string, process and
 * container that its events name, under the collector-wide ids. Built by one thread, sealed, then
 * immutable and handed from owner to owner (pipeline -> uplink on the collector).
 * Ceilings: given at creation; an add past one returns -ENOSPC and changes nothing (seal and start
 * a new one). The wire form is made by encode.h and read by decode.h.
 */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define PW_WIRE_STRING_MAX 65536u       /* bytes of one string; a longer one is -E2BIG */
#define PW_WIRE_INSTANCE   16u          /* bytes of CollectHello.instance */
#define PW_WIRE_REF_MAX    0x7fffffffu  /* ids and refs are 1 … this */
#define PW_WIRE_TIME_MAX   (1ull << 62) /* ns; every stamp and the wall offset stay below */

/* Values as in protos/podward/v1/event.proto; checked against it in encode.c. */
enum pw_event_kind {
	PW_EVENT_NONE = 0,
#define PW_KIND(suffix, number, name) PW_EVENT_##suffix = number,
#include "common/wire/kinds.def"
#undef PW_KIND
	PW_EVENT_KINDS
};

/* "exec", "rename" …; "unknown" outside the table. */
const char *pw_event_kind_name(uint32_t kind);

struct pw_event_row {
	struct pw_boot time;
	uint32_t process; /* process ref, > 0 */
	uint32_t object;  /* string id, 0 = none */
	uint32_t aux;     /* by kind: access bits | port, protocol, family */
	uint32_t count;   /* >= 1; > 1 in folds */
	int32_t ret;      /* >= 0 or -errno */
	uint8_t kind;     /* enum pw_event_kind */
	uint8_t flags;    /* EventFlag */
	uint16_t syscall; /* x86-64 number + 1 on every architecture; 0 = none or not told */
	uint32_t object2; /* string id, 0 = none; by kind, as arg and target */
	uint32_t target;  /* process ref acted upon; 0 = none or unknown */
	uint64_t arg;
};

/* One past the largest column `syscall` may hold. */
#define PW_SYSCALL_MAX 1024u

#define PW_CONNECT_AUX(port, l4proto, family) \
	((uint32_t)(port) | (uint32_t)(l4proto) << 16 | (uint32_t)(family) << 24)
#define PW_CONNECT_PORT(aux)   ((uint16_t)((aux)&0xffff))
#define PW_CONNECT_PROTO(aux)  ((uint8_t)((aux) >> 16 & 0xff))
#define PW_CONNECT_FAMILY(aux) ((uint8_t)((aux) >> 24))

struct pw_container_def {
	uint32_t ref;
	bool pre_running;
	struct pw_slice id, pod_uid, pod_group, pod_name, name, image, image_digest, runtime;
	struct pw_wall started;
};

struct pw_process_def {
	uint32_t ref, parent_ref, container; /* container ref, 0 = host */
	uint32_t pid, uid, gid, flags, tty, session;
	uint32_t euid, egid, vpid;
	uint32_t exe, args, cwd, comm, env, script; /* string ids, 0 = unknown or none */
	uint64_t caps_effective, caps_permitted, caps_inheritable;
	uint64_t exe_inode, exe_dev; /* dev: major << 32 | minor; 0 = unknown */
	struct pw_boot start;
};

struct pw_loss {
	uint32_t container; /* container ref, 0 = node */
	uint32_t reason;    /* LossReason */
	uint64_t count;
};

struct pw_batch_string {
	uint32_t id;
	struct pw_slice bytes;
};

struct pw_batch_limits {
	uint32_t events, strings, processes, containers; /* exited refs: as processes */
	size_t bytes;                                    /* of strings and definitions */
};
#define PW_BATCH_LIMITS_DEFAULT                   \
	{                                         \
		1024, 4096, 2048, 512, 512 * 1024 \
	}

/* All arrays belong to the batch. Readers may look at everything; only batch.c writes. */
struct pw_batch {
	uint64_t seq;        /* 0 until sealed */
	uint64_t dict_epoch; /* ids are comparable only between batches of the same epoch */
	int64_t boot_to_wall_ns;
	/* As which batch of which stream another analyzer was sent this; 0 = none was. */
	uint64_t origin_seq;
	uint8_t origin[PW_WIRE_INSTANCE];
	struct pw_event_row *events;
	struct pw_batch_string *strings;
	struct pw_process_def *processes;
	struct pw_container_def *containers;
	uint32_t *exited;
	struct pw_loss *losses;
	uint32_t event_count, string_count, process_count, container_count, exited_count,
		loss_count;
	size_t bytes; /* memory held, for backlog ceilings */
	struct pw_batch_limits limits;
	struct pw_batch_index *index; /* private: what is in already */
	struct pw_arena *arena;       /* private */
	struct pw_batch *next;        /* for the owner's list */
};

int pw_batch_new(const struct pw_batch_limits *limits, uint64_t dict_epoch,
	struct pw_batch **ret) PW_MUST_CHECK;
void pw_batch_free(struct pw_batch *b);

/*
 * Adds take copies and do nothing (return 0) when the id or ref is in the batch already.
 * Definitions come first: the strings and the container of a process before it, process and object
 * of an event before it (else -EINVAL: the batch would not be self-contained). A parent may be
 * added before, after or not at all; a stream that has not been told it sees parent 0 then.
 * -ENOSPC at a ceiling, also for an event more than 71 minutes away from another of the batch
 * (its delta would not fit the wire); -E2BIG for a string over PW_WIRE_STRING_MAX; -ENOMEM;
 * -EINVAL for an id or ref of 0 or over PW_WIRE_REF_MAX, a stamp over PW_WIRE_TIME_MAX, kind 0,
 * count 0, or after the seal. Each add is all or nothing.
 */
int pw_batch_add_string(struct pw_batch *b, uint32_t id, struct pw_slice bytes) PW_MUST_CHECK;
int pw_batch_add_container(struct pw_batch *b, const struct pw_container_def *def) PW_MUST_CHECK;
int pw_batch_add_process(struct pw_batch *b, const struct pw_process_def *def) PW_MUST_CHECK;
int pw_batch_add_event(struct pw_batch *b, const struct pw_event_row *row) PW_MUST_CHECK;
int pw_batch_add_exited(struct pw_batch *b, uint32_t process_ref) PW_MUST_CHECK;
/* Adds to the entry of the same (container, reason); the container, unless 0, must be in the batch.
 */
int pw_batch_add_loss(
	struct pw_batch *b, uint32_t container, uint32_t reason, uint64_t count) PW_MUST_CHECK;
/* NULL when not in the batch; valid until the next add_process. */
const struct pw_process_def *pw_batch_find_process(const struct pw_batch *b, uint32_t ref);
const struct pw_container_def *pw_batch_find_container(const struct pw_batch *b, uint32_t ref);
/* {NULL, 0} when not in the batch. */
struct pw_slice pw_batch_find_string(const struct pw_batch *b, uint32_t id);
bool pw_batch_has_string(const struct pw_batch *b, uint32_t id);
bool pw_batch_has_process(const struct pw_batch *b, uint32_t ref);
bool pw_batch_has_container(const struct pw_batch *b, uint32_t ref);
/* Before the seal: it was sent to another analyzer as this, and keeps the wall time of then. */
void pw_batch_set_origin(struct pw_batch *b, const uint8_t instance[PW_WIRE_INSTANCE], uint64_t seq,
	int64_t boot_to_wall_ns);
/* No further add. Sorts nothing: events stay in order of arrival. */
void pw_batch_seal(struct pw_batch *b, uint64_t seq, int64_t boot_to_wall_ns);
