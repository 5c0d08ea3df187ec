/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * --self-test: makes one harmless event of each kind in the own process and tells which of them
 * came through the kernel side and the decoder. Many are calls that are refused: refused calls are
 * events too. What it makes (a folder in /tmp, sockets on loopback) it removes.
 * Thread: main, with nothing else running. The capabilities have been given up.
 */
#include "collector/probe.h"
#include <stdio.h>

/* Where actions leave what others go on with. */
struct selftest_place {
	char folder[64]; /* "" = nowhere to write */
	char file[96], other[96];
	int listener; /* TCP on loopback, -1 = none */
};

struct selftest_action {
	uint32_t kind;                               /* enum pw_event_kind */
	void (*act)(const struct selftest_place *p); /* results do not matter */
	bool writes;                                 /* needs the folder */
	const char *why_not;                         /* act NULL: why nothing is tried */
};

/* In order; the last one has kind 0. */
extern const struct selftest_action selftest_actions[];
void selftest_place_make(struct selftest_place *p);
void selftest_place_remove(struct selftest_place *p);

/* Writes a table to standard output. 0, or -ENODATA with the kinds that did not come. */
int selftest_run(struct pw_err *err) PW_MUST_CHECK;
