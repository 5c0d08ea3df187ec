/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/kmaps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>

#include "common/base/alloc.h"

int kmaps_scope_set(
	const struct kmaps *m, uint64_t cgroup_id, struct abi_scope entry, struct pw_err *err)
{
	int r = bpf_map_update_elem(m->scope_fd, &cgroup_id, &entry, BPF_ANY);

	if (r == -E2BIG)
		return pw_err_set(err, -ENOSPC, "scope map is full (%u cgroups)", m->scope_entries);
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
