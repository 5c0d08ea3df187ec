/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The maps that user space and the kernel side share: scope, settings, counters. Borrowed from an
 * open probe and valid as long as it is.
 * Thread: any one at a time. Ceiling: the scope map's size (probe_options.scope_entries).
 */
#include "collector/bpf/abi.h"
#include "common/base/err.h"

struct kmaps {
	int scope_fd;
	int settings_fd;
	int counters_fd;
	uint32_t scope_entries; /* ceiling of the scope map */
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
/* Sum over all CPUs. -ENOMEM or what the kernel says; *ret untouched then. */
int kmaps_counters(const struct kmaps *m, struct abi_counters *ret);
