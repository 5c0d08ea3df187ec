/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Kernel programs that only some kernels have a place for: their tracepoint came later, or has
 * other arguments there. Asked before loading, from the running kernel's type information.
 * Thread: any; no state.
 */
#include <stdbool.h>

struct bpf_object;

/* False: this kernel has no place for the program. Programs that every kernel has: always true. */
bool probe_optional_fits(const char *program);
/* Takes those without a place out of an opened object: they are not loaded. */
void probe_optional_apply(struct bpf_object *object);
