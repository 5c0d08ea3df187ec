/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The maps that user space and the kernel side share: scope, settings, counters, the plan of system
 * calls, what is known and what was lost. Borrowed from an
 * open probe and valid as long as it is.
 * Thread: any one at a time. Ceiling: the scope map's size (probe_options.scope_entries).
 */
#include "collector/bpf/abi.h"
#include "common/base/err.h"
#include <stdbool.h>

struct kmaps {
	int scope_fd;
	int settings_fd;
	int counters_fd;
	int syscalls_fd;
	int lost_fd;
	struct abi_known_place *known; /* KNOWN_PLACES, mapped; NULL = not there */
	uint32_t scope_entries;        /* ceiling of the scope map */
	uint64_t noted_kinds;          /* bit n: security hooks leave notes about kind n */
};

/* Adds or overwrites; also promotes a pending cgroup. -ENOSPC at the ceiling. */
int kmaps_scope_set(
	const struct kmaps *m, uint64_t cgroup_id, struct abi_scope entry, struct pw_err *err);
/* 0, or -ENOENT when it was not there. Its children keep their own entries. */
int kmaps_scope_remove(const struct kmaps *m, uint64_t cgroup_id);
/* 0 or -ENOENT. */
int kmaps_scope_find(const struct kmaps *m, uint64_t cgroup_id, struct abi_scope *ret);
/*
 * Calls fn for the entries; stops when it returns other than 0 and returns that. Entries that come
 * or go meanwhile may be missed or seen twice. fn may remove the entry it is shown.
 */
int kmaps_scope_each(const struct kmaps *m,
	int (*fn)(void *ctx, uint64_t cgroup_id, struct abi_scope entry), void *ctx);

int kmaps_settings_get(const struct kmaps *m, struct abi_settings *ret);
int kmaps_settings_set(const struct kmaps *m, const struct abi_settings *settings);
/*
 * What is captured from now on, also while running: kinds, system calls, and of which kinds every
 * occurrence is reported.
 */
int kmaps_plan_set(const struct kmaps *m, uint64_t kind_mask, uint64_t every_mask, bool first_use,
	struct pw_err *err);
/* Every behaviour is new again: what happens next is reported anew. */
int kmaps_renew(const struct kmaps *m);
/* Takes the counts of repeats. One that comes meanwhile is there the next time. */
void kmaps_known_take(
	const struct kmaps *m, void (*fn)(void *ctx, uint64_t mark, uint64_t count), void *ctx);
/* Takes what was dropped, by cgroup; the rest of the counters' sum is the node's. */
int kmaps_lost_take(const struct kmaps *m,
	void (*fn)(void *ctx, uint64_t cgroup_id, const struct abi_lost *lost), void *ctx);
/* Sum over all CPUs. -ENOMEM or what the kernel says; *ret untouched then. */
int kmaps_counters(const struct kmaps *m, struct abi_counters *ret);
