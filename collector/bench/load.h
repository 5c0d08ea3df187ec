/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The workloads of bench_collector: what a container does all day, each a bounded number of times.
 * They run in a child process that tells what each cost it; they touch one private folder and
 * loopback.
 * Thread: the child's.
 */
#include <stdint.h>

struct load_place {
	char folder[64];
	int listener;  /* TCP on loopback, accepting in the kernel's backlog only */
	uint16_t port; /* its port */
};

struct load {
	const char *name;
	unsigned operations;                                         /* of one run */
	int (*run)(const struct load_place *p, unsigned operations); /* 0 or -errno */
};

extern const struct load loads[]; /* the last one has no name */

int load_place_make(struct load_place *p); /* 0 or -errno */
void load_place_remove(const struct load_place *p);
