/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Process table: (pid, start time) -> present image, kept by fork, exec and exit, filled from
 * /proc at start (procfs.h) and repaired from there when events were lost. What is not known stays
 * unknown: incomplete (PARTIAL), never wrong.
 *
 * Lineage. The parent of an image is the process that forked it, as it was at that moment. When
 * that one is outside the container or unknown, and the process had another image of the same
 * container before, that image is the parent (a server that execs a shell in place).
 *
 * Setup. A runtime's own process (runc init) is in the container's cgroup before it becomes the
 * container's program. A process that came in from outside is "setup" until it execs in a mount
 * namespace other than the host's (a recording does not know that one: until it execs in a pid
 * namespace other than the first); its events are the runtime's, not the container's.
 *
 * Thread: the pipeline's. Ceiling: given at creation (default 65,536 processes, twice as many
 * images); past it the process not heard of for longest is evicted and counted.
 */
#include "collector/event.h"
#include "collector/image.h"
#include "collector/redact_rules.h"

struct proc {
	struct proc *prev, *next; /* private: by last use */
	struct image *image;      /* held; never NULL */
	uint32_t pid;
	struct pw_boot start;
	bool setup;
	bool pre_running;
};

struct proc_stats {
	uint64_t evicted, refused, unknown, restarted;
	/* unknown: made from an event of a process never heard of; restarted: pid reused without an
	 * exit */
};

/* Facts read from /proc; borrowed. Fields that are not known are 0 or empty. */
struct proc_facts {
	uint32_t pid, ppid, uid, gid, tty, session, pid_in_ns;
	struct pw_boot start;
	struct program_facts program;
	bool setup; /* runs in the host's mount namespace */
};
/* Reads one process; -ESRCH when it is gone. Facts stay valid until the next call. */
typedef int (*proc_lookup_fn)(void *ctx, uint32_t pid, struct proc_facts *ret);

struct procs;

struct procs_settings {
	uint32_t limit;
	uint32_t host_mnt_ns;  /* inode number; 0 = unknown (replay): the pid namespace decides */
	proc_lookup_fn lookup; /* repairs; NULL = never (replay) */
	void *lookup_ctx;
	const struct redact_rules *redact; /* borrowed; NULL = the built-in ones */
};

int procs_new(const struct procs_settings *settings, struct images *images,
	struct procs **ret) PW_MUST_CHECK;
void procs_free(struct procs *t);
/* Enters a process found running at start. Parents must be entered first to be found. */
int procs_add_running(
	struct procs *t, const struct proc_facts *facts, struct container *c) PW_MUST_CHECK;
/*
 * Upkeep for each event about a process; c is the container of the event's cgroup (NULL = host).
 * *ret is the process that the event is about, with its image after it (exec: the new one).
 * -ENOSPC or -ENOMEM: nothing is known about the process, the event is lost.
 */
int procs_note(struct procs *t, const struct event *e, struct container *c,
	struct proc **ret) PW_MUST_CHECK;
/* After the exit event was handled: forgets the process. */
void procs_exit(struct procs *t, struct proc *p);
struct proc *procs_find(const struct procs *t, uint32_t pid);
/* The same, unless it is another process with that number; start_ns 0 = any. */
struct proc *procs_find_start(const struct procs *t, uint32_t pid, uint64_t start_ns);
/* By its number in the container's own pid namespace; looks at the latest 4,096 processes only. */
struct proc *procs_find_in_ns(const struct procs *t, const struct container *c, uint32_t pid);
/* Forgets the processes of a container whose cgroups are gone. */
void procs_leave(struct procs *t, const struct container *c);
/*
 * Records of the kernel were lost: from now on a process without known parent may be a child of the
 * container, so nothing is concluded from that any more.
 */
void procs_note_gap(struct procs *t);
uint32_t procs_count(const struct procs *t);
void procs_get_stats(const struct procs *t, struct proc_stats *ret);
