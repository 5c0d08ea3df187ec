/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/kmaps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "collector/calls.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"

#define LOST_MAX 8192u /* twice what the map holds: it may change while it is walked */

static bool is_in_scope(const struct kmaps *m, uint64_t cgroup_id)
{
	struct abi_scope entry;

	return bpf_map_lookup_elem(m->scope_fd, &cgroup_id, &entry) == 0 &&
	       !(entry.flags & SCOPE_IGNORE);
}

/* Copies of the kernel side that say "not in scope" are void. */
static int raise_scope_epoch(const struct kmaps *m)
{
	struct abi_settings settings;
	int r = kmaps_settings_get(m, &settings);

	settings.scope_epoch++;
	return r < 0 ? r : kmaps_settings_set(m, &settings);
}

int kmaps_scope_set(
	const struct kmaps *m, uint64_t cgroup_id, struct abi_scope entry, struct pw_err *err)
{
	bool comes_in = !(entry.flags & SCOPE_IGNORE) && !is_in_scope(m, cgroup_id);
	int r = 0;

	entry.epoch = (uint32_t)pw_boot_now().ns; /* never what it was before */
	r = bpf_map_update_elem(m->scope_fd, &cgroup_id, &entry, BPF_ANY);
	if (r == -E2BIG)
		return pw_err_set(err, -ENOSPC, "scope map is full (%u cgroups)", m->scope_entries);
	if (r == 0 && comes_in)
		r = raise_scope_epoch(m);
	if (r < 0)
		return pw_err_set(err, r, "scope map: %s", pw_err_text(r));
	return 0;
}

int kmaps_scope_remove(const struct kmaps *m, uint64_t cgroup_id)
{
	return bpf_map_delete_elem(m->scope_fd, &cgroup_id);
}

int kmaps_scope_find(const struct kmaps *m, uint64_t cgroup_id, struct abi_scope *ret)
{
	return bpf_map_lookup_elem(m->scope_fd, &cgroup_id, ret);
}

int kmaps_scope_each(const struct kmaps *m,
	int (*fn)(void *ctx, uint64_t cgroup_id, struct abi_scope entry), void *ctx)
{
	uint64_t key, next;
	struct abi_scope entry;
	int r = bpf_map_get_next_key(m->scope_fd, NULL, &next);

	/* The next key is fetched before fn may remove this one; a vanished key starts the map
	 * over. */
	for (uint32_t i = 0; r == 0 && i < m->scope_entries; i++) {
		key = next;
		r = bpf_map_get_next_key(m->scope_fd, &key, &next);
		if (bpf_map_lookup_elem(m->scope_fd, &key, &entry) == 0) {
			int stop = fn(ctx, key, entry);

			if (stop)
				return stop;
		}
	}
	return r == -ENOENT ? 0 : r;
}

int kmaps_settings_get(const struct kmaps *m, struct abi_settings *ret)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(m->settings_fd, &zero, ret);
}

int kmaps_settings_set(const struct kmaps *m, const struct abi_settings *settings)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(m->settings_fd, &zero, settings, BPF_ANY);
}

int kmaps_plan_set(const struct kmaps *m, uint64_t kind_mask, uint64_t every_mask, bool first_use,
	struct pw_err *err)
{
	const struct calls_plan plan = {
		.kind_mask = kind_mask, .noted_kinds = m->noted_kinds, .first_use = first_use};
	pw_auto_free struct abi_syscall *entries = pw_alloc0(SYSCALLS_COUNT, sizeof(*entries));
	struct abi_settings settings;
	int r = entries ? kmaps_settings_get(m, &settings) : -ENOMEM;

	if (r < 0)
		return pw_err_set(err, r, "capture plan: %s", pw_err_text(r));
	calls_fill(&plan, entries);
	settings.kind_mask = kind_mask;
	settings.every_mask = every_mask | calls_unfoldable(kind_mask);
	for (uint32_t i = 0; i < SYSCALLS_COUNT && r == 0; i++)
		r = bpf_map_update_elem(m->syscalls_fd, &i, &entries[i], BPF_ANY);
	if (r == 0)
		r = kmaps_settings_set(m, &settings);
	return r < 0 ? pw_err_set(err, r, "capture plan: %s", pw_err_text(r)) : 0;
}

int kmaps_renew(const struct kmaps *m)
{
	struct abi_settings settings;
	int r = kmaps_settings_get(m, &settings);

	settings.epoch++;
	return r < 0 ? r : kmaps_settings_set(m, &settings);
}

void kmaps_known_take(
	const struct kmaps *m, void (*fn)(void *ctx, uint64_t mark, uint64_t count), void *ctx)
{
	for (uint32_t i = 0; m->known && i < KNOWN_PLACES; i++) {
		struct abi_known_place *p = &m->known[i];
		uint64_t mark = 0;
		uint64_t count = 0;

		if (__atomic_load_n(&p->count, __ATOMIC_RELAXED) == 0)
			continue;
		mark = __atomic_load_n(&p->mark, __ATOMIC_RELAXED);
		count = __atomic_exchange_n(&p->count, 0, __ATOMIC_RELAXED);
		if (count > 0)
			fn(ctx, mark, count);
	}
}

int kmaps_lost_take(const struct kmaps *m,
	void (*fn)(void *ctx, uint64_t cgroup_id, const struct abi_lost *lost), void *ctx)
{
	struct abi_lost lost;
	uint64_t key;
	int r = bpf_map_get_next_key(m->lost_fd, NULL, &key);

	for (uint32_t i = 0; r == 0 && i < LOST_MAX; i++) {
		uint64_t next;

		r = bpf_map_get_next_key(m->lost_fd, &key, &next);
		if (bpf_map_lookup_elem(m->lost_fd, &key, &lost) == 0) {
			(void)bpf_map_delete_elem(m->lost_fd, &key);
			fn(ctx, key, &lost);
		}
		key = next;
	}
	return r == -ENOENT ? 0 : r;
}

int kmaps_counters(const struct kmaps *m, struct abi_counters *ret)
{
	const size_t words = sizeof(*ret) / sizeof(uint64_t);
	pw_auto_free struct abi_counters *each = NULL;
	int cpus = libbpf_num_possible_cpus();
	struct abi_counters sum = {0};
	uint32_t zero = 0;
	int r;

	if (cpus < 0)
		return cpus;
	each = pw_alloc0((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	r = bpf_map_lookup_elem(m->counters_fd, &zero, each);
	if (r < 0)
		return r;
	for (int cpu = 0; cpu < cpus; cpu++) {
		const uint64_t *from = (const uint64_t *)(const void *)&each[cpu];
		uint64_t *to = (uint64_t *)(void *)&sum;

		for (size_t i = 0; i < words; i++)
			to[i] += from[i];
	}
	*ret = sum;
	return 0;
}
