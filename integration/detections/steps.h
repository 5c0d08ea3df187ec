/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an attacker does, one operation a line, by real system calls: the program that the tests of
 * the detections run inside a container. Harmless: it touches the files that its image brings,
 * loopback, and processes that it started itself; what it asks of the kernel beyond that is refused
 * there or undone with the container. It is no part of the product.
 * Thread: one; a step is a process of its own.
 */
#include <stddef.h>
#include <stdint.h>

#define STEP_ARGS 48u

/* argv without the name of the operation, NULL at the end. The result is for --verbose only. */
struct step_op {
	const char *name;
	long (*run)(int argc, char **argv);
};

extern const struct step_op steps_exec_ops[], steps_file_ops[], steps_net_ops[], steps_kernel_ops[];

/* argv[n], or fallback where fewer were given. */
const char *step_arg(int argc, char **argv, int n, const char *fallback);
long step_number(const char *text);

/* Starts path with argv in a child and waits for it, at most 2 s. Its exit status or -1. */
long step_run(const char *path, char **argv);
/* The same with a function that ends in exec. */
long step_child(void (*body)(void *arg), void *arg);
