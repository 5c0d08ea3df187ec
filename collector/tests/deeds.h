/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Rows of deeds for the tests of the families: each is done by a child inside the test's cgroup,
 * with the scratch directory as its working directory, and must give one record with the right
 * fields, cgroup, process and outcome.
 * Thread: the test's.
 */
#include "collector/tests/kernel_rig.h"

struct deed {
	const char *name;
	uint32_t kind;     /* enum abi_kind of the record */
	long (*act)(void); /* result of the system call, -1 with errno */
	int err;           /* expected errno; 0 = it must succeed; ANY_ERR = one or another */
	bool as_nobody;    /* without privileges */
	/* Expected; NULL or 0 = not looked at. Paths: as given, or the object's, by their end. */
	const char *path, *path2, *text;
	/* Where a security hook notes this kind: what the kernel resolved, whole, below the scratch
	 * directory or from the root, instead of path and path2. */
	const char *real, *real2;
	unsigned call; /* x86-64 number */
	uint64_t num[3];
	uint32_t num_mask; /* bit n: num[n] must match */
};
#define ANY_ERR 10000

void deeds_run(struct rig *r, const struct deed *deeds, size_t count);
/* Last record of a kind of a process, or NULL. */
const struct abi_call *deeds_last(const struct rig *r, uint32_t kind, pid_t pid);
