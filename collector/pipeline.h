/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one straight way of a record: decode -> container -> process -> normalize -> (wait for the
 * pod group) -> seen or new -> batch. Owns every table on the way; creates no thread and reads no
 * clock: time comes in with the records and with pipeline_tick, so a replay gives the same batches
 * every time.
 *
 * Nothing is dropped uncounted. For the kinds that go on the wire, at any moment
 *   seen = filtered + waiting + lost + folded + told.
 *
 * Thread: one (the collector's main loop). Ceilings: struct pipeline_settings and those of the
 * tables.
 */
#include "collector/batcher.h"
#include "collector/decode.h"
#include "collector/node_watch.h"
#include "collector/pending.h"
#include "collector/proc.h"
#include "collector/scope.h"
#include "collector/seen.h"

struct pipeline;

/* What a printer sees; borrowed until return. */
struct pipeline_view {
	const struct event *event;
	const struct image *image;
	const struct occurrence *occurrence; /* NULL for kinds that stay on the node */
	bool setup; /* the runtime's own, before the container's program runs */
};

/* What the kernel side folded by itself; NULL functions = it does not (replay, tests). */
struct pipeline_kernel {
	/* Takes the counts of repeats so far and calls fn for each; 0 or -errno. */
	int (*collect)(
		void *ctx, void (*fn)(void *fn_ctx, uint64_t mark, uint64_t count), void *fn_ctx);
	/* Every behaviour is to be reported anew. */
	void (*renew)(void *ctx);
	void *ctx;
};

struct pipeline_settings {
	const char *cgroup_root; /* NULL = no filesystem */
	struct procfs *procfs;   /* borrowed; NULL = do not look into /proc */
	bool all;                /* host processes too, for printing */
	struct scope_rules rules;
	struct scope_kernel kernel;
	struct pipeline_kernel folds;
	const struct redact_rules *redact; /* borrowed; NULL = the built-in ones */
	uint32_t process_limit;            /* 0 = 65,536 */
	uint32_t seen_limit;               /* 0 = 131,072 */
	uint64_t fold_window_ns;           /* 0 = 10 s */
	int64_t boot_to_wall_ns;           /* at start */
	struct batcher_settings batch;
	void (*on_view)(void *ctx, const struct pipeline_view *v); /* NULL = nobody looks */
	void *view_ctx;
};

#define PIPELINE_FILTERS(FILTER)                                                            \
	FILTER(HOST, "host")         /* not in a container */                               \
	FILTER(SETUP, "setup")       /* the runtime's own process before the container's */ \
	FILTER(EXCLUDED, "excluded") /* container that is not watched */                    \
	FILTER(EXIT, "unknown_exit") /* end of a process never heard of */                  \
	FILTER(REPEAT, "repeat")     /* counted in the kernel, behaviour forgotten here */

enum pipeline_filter {
#define PIPELINE_ENUM(suffix, label) PIPELINE_FILTER_##suffix,
	PIPELINE_FILTERS(PIPELINE_ENUM)
#undef PIPELINE_ENUM
		PIPELINE_FILTER_COUNT
};

struct pipeline_stats {
	uint64_t records[EVENT_TYPES]; /* decoded */
	uint64_t refused[DECODE_RESULT_COUNT];
	uint64_t seen; /* of the kinds on the wire */
	uint64_t filtered[PIPELINE_FILTER_COUNT];
	uint64_t told;      /* handed to the batcher as new */
	uint64_t lost_here; /* no room in the process table */
	uint64_t loss_totals[LOSS_REASONS];
	struct seen_stats seen_set;
	struct pending_stats pending;
	struct batcher_stats batch;
	struct proc_stats proc;
	struct scope_stats scope;
	uint32_t processes, images, seen_entries;
	uint32_t containers[CONTAINER_STATES];
	uint64_t containers_refused;
};

int pipeline_new(const struct pipeline_settings *settings, struct pipeline **ret,
	struct pw_err *err) PW_MUST_CHECK;
void pipeline_free(struct pipeline *p);
/* Reads what runs already: cgroups, then processes. Call it when the kernel side is attached. */
int pipeline_scan(struct pipeline *p, struct pw_err *err) PW_MUST_CHECK;
/* Fits source_record_fn with the struct pipeline as ctx; always 0. */
int pipeline_record(void *p, const void *record, size_t len);
/* Moves time on: closes batches, folds, gives up what waited too long. */
void pipeline_tick(struct pipeline *p, struct pw_boot now);
/* Every ten seconds or so: forgets removed cgroups that no record told of. */
void pipeline_sweep(struct pipeline *p);
/* Applies an update of policysync; 0 or -ENOMEM, -E2BIG (then parts of it may be in force). */
int pipeline_update(struct pipeline *p, const struct node_update *update) PW_MUST_CHECK;
/* Events that were lost before or behind the pipeline; reason: LossReason. */
void pipeline_note_loss(struct pipeline *p, uint32_t reason, uint64_t count);
/* The same for a cgroup; false: nobody's container, nothing was noted. */
bool pipeline_note_loss_of(struct pipeline *p, uint64_t cgroup, uint32_t reason, uint64_t count);
/* Records of the kernel are missing, of whatever kind: lineage may have holes from now on. */
void pipeline_note_gap(struct pipeline *p);
/* Batches were dropped on their way: what they told is told again when it happens again. */
void pipeline_forget_told(struct pipeline *p);
/* Folds and the open batch go out now. */
void pipeline_flush(struct pipeline *p);
void pipeline_set_max_events(struct pipeline *p, uint32_t events);
void pipeline_get_stats(const struct pipeline *p, struct pipeline_stats *ret);
const char *pipeline_filter_name(enum pipeline_filter filter);
