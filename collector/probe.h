/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The live source: loads and attaches the kernel side, and reads its ring. Needs CAP_BPF and
 * CAP_PERFMON (before 5.11 also CAP_SYS_RESOURCE or a large RLIMIT_MEMLOCK), a kernel of 5.10 or
 * newer with BTF; probe_open says in one line which of them is missing.
 * Thread: the owner's. Ceiling: ring_bytes and scope_entries.
 */
#include "collector/kmaps.h"
#include "collector/source.h"

/* Where the truth about an event comes from: tracepoints (b), security hooks as well (a), or as
 * well where they work (auto). */
enum probe_level { PROBE_LEVEL_AUTO, PROBE_LEVEL_A, PROBE_LEVEL_B };

struct probe_options {
	uint32_t ring_bytes;    /* power of two, 64 KiB .. 64 MiB; 0 = 4 MiB */
	uint32_t scope_entries; /* 0 = 16,384 */
	uint32_t setting_flags; /* SETTING_* */
	uint64_t kind_mask;     /* bit n = report kind n; 0 = all */
	uint64_t every_mask;    /* bit n = report every occurrence of kind n, fold none */
	bool no_first_use;      /* the first use of a system call is no event */
	enum probe_level level;
};

/* What one kernel program does and what the kernel skipped of it. */
struct probe_hook {
	const char *program; /* "exec_done" */
	const char *hook;    /* "tp_btf/sched_process_exec" */
	bool attached;       /* false: reached by tail call from another one */
	uint64_t recursion_misses;
};

/*
 * Opens, loads and attaches. The own process is never reported. On failure nothing stays loaded.
 * No cgroup is in the scope yet; new ones come in as pending unless SETTING_NO_PENDING is set.
 */
int probe_open(const struct probe_options *options, struct source **ret, struct pw_err *err);
/* Maps of a source that probe_open made; valid until source_close. */
const struct kmaps *probe_maps(const struct source *s);
/* fn for each program; stops at its first value other than 0 and returns that. */
int probe_each_hook(
	const struct source *s, int (*fn)(void *ctx, const struct probe_hook *hook), void *ctx);

/* The checks that need no loading; what is missing is named in err. For --check and for tests. */
struct probe_facts {
	unsigned kernel_major, kernel_minor;
	bool has_btf;
	uint64_t caps_effective;
	bool lockdown_confidentiality;
};
int probe_facts_read(struct probe_facts *ret, struct pw_err *err);
int probe_facts_check(const struct probe_facts *facts, struct pw_err *err);
