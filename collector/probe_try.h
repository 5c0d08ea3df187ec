/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Each kernel program alone, from a fresh object: does this kernel verify it, does it attach, and
 * if not, what was said. Nothing is left behind. It does not watch anything; that is probe.h.
 * Thread: one at a time (libbpf's print function is global). Ceiling: VERIFIER_LOG bytes of log.
 */
#include "common/base/err.h"
#include <stdint.h>

struct probe_try {
	const char *program; /* "exec_done" */
	const char *hook;    /* "tp_btf/sched_process_exec" */
	int load_error;      /* 0 or -errno */
	int attach_error;    /* 0 or -errno; only tried when it loads */
	uint32_t verified;   /* instructions the verifier went through; 0 when it does not load */
	const char *why;     /* last line of the verifier or of libbpf; "" when all is well */
};

/* fn for each program; stops at its first value other than 0 and returns that. */
int probe_try_each(int (*fn)(void *ctx, const struct probe_try *t), void *ctx, struct pw_err *err);
