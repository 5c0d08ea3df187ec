/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Level A: the security hooks (collector/bpf/hook.h), loaded beside the tracepoints and into their
 * maps. Each is tried as LSM program, where bpf is among the active security modules and a canary
 * shows that it is called, else as fentry program; what works as neither stays with the tracepoints
 * alone. Attaching them changes what is known of an event, never whether there is one.
 * Thread: the probe's. Ceiling: one program for each hook.
 */
#include "collector/probe.h"

struct bpf_object;
struct probe_hooks;

/*
 * `base`: the loaded object of the tracepoints; its settings must name the own process. Level auto
 * takes what works, also nothing; level a fails when none works.
 */
int probe_hooks_open(struct bpf_object *base, enum probe_level level, struct probe_hooks **ret,
	struct pw_err *err);
void probe_hooks_close(struct probe_hooks *h);
/* Bit n: events of kind n may be noted. */
uint64_t probe_hooks_kinds(const struct probe_hooks *h);
/* fn for each program that is attached; as probe_each_hook. */
int probe_hooks_each(const struct probe_hooks *h,
	int (*fn)(void *ctx, const struct probe_hook *hook), void *ctx);
/* Whether this kernel has what the program sits on, or it is no program of a hook. */
bool probe_hooks_fits(const char *program);
/* The object with their programs, for whoever tries them one by one. */
const void *probe_hooks_elf(size_t *ret_len);
