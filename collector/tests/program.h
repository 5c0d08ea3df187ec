/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The built collector as a child process whose standard output is read by the test.
 * Thread: the test's. Ceiling: PROGRAM_TEXT bytes of output kept.
 */
#include <stdbool.h>
#include <sys/types.h>

#define PROGRAM_TEXT (1u << 20)

struct running {
	pid_t pid;
	int out; /* what it prints */
	char text[PROGRAM_TEXT];
	size_t len;
};

/* ${PODWARD_COLLECTOR} (for guests), else that of this build. */
const char *program_path(void);
/*
 * before runs in the child in front of exec and gives 0, or an exit code. The child's standard
 * error is the test's.
 */
void program_start(
	struct running *p, const char *const arguments[], int (*before)(void *ctx), void *ctx);
/* Reads until the output holds the words; at most 60 s, for loading takes seconds when emulated. */
bool program_wait_for(struct running *p, const char *words);
/* Reads until it ends by itself. Returns the wait status. */
int program_wait(struct running *p);
/* Asks it to end (SIGTERM), reads what is left. Returns the wait status. */
int program_end(struct running *p);
