/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The table of system calls: which are looked at, for which kind of event, and where their
 * arguments are (calls.def). Makes of it and of a capture plan what the kernel side goes by.
 * Numbers come from libseccomp, by name, for every ABI of the machine; records and events have the
 * x86-64 number on every architecture.
 * Thread: any; no state. Ceiling: SYSCALLS_COUNT entries.
 */
#include "collector/bpf/abi.h"
#include <stdbool.h>
#include <stddef.h>

/* What is to be reported; may change while running. */
struct calls_plan {
	uint64_t kind_mask;   /* bit n = kind n */
	uint64_t noted_kinds; /* bit n: a security hook may leave a note about it */
	bool first_use;       /* the first use of each system call by a container is an event */
};

void calls_fill(const struct calls_plan *plan, struct abi_syscall ret[SYSCALLS_COUNT]);
/* Kinds of which every occurrence must be reported, because folding them would need kinds that the
 * plan leaves out. */
uint64_t calls_unfoldable(uint64_t kind_mask);
/* "openat" of an x86-64 number, into out; "" when unknown. Returns out. */
const char *calls_name(unsigned number, char *out, size_t size);
