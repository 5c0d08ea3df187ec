// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Birth and end of cgroups (v2 hierarchy only). A new one is in scope before its first process can
 * be: as its parent is, else pending until user space knows what it is.
 * raw_tp and not tp_btf: 5.10 refuses the `const char *` argument of these tracepoints in tp_btf.
 */
#include "collector/bpf/read.h"

static __always_inline uint64_t cgroup_parent_id(struct cgroup *cgroup)
{
	void *css = BPF_CORE_READ(cgroup, self.parent);
	struct cgroup *parent;

	if (!css)
		return 0;
	parent = css - bpf_core_field_offset(struct cgroup, self);
	return BPF_CORE_READ(parent, kn, id);
}

static __always_inline bool cgroup_is_v2(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, root, hierarchy_id) == 0;
}

/* cap constant. False: the path is longer than this class keeps. */
static __always_inline bool cgroup_emit(struct cgroup *cgroup, const char *path, uint32_t kind,
	uint32_t scope_flags, const uint32_t cap)
{
	const uint32_t room =
		cap == CLASS_SMALL ? CLASS_SMALL - sizeof(struct abi_cgroup) : ABI_PATH_MAX;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct scope_hit hit = {.cgroup_id = bpf_get_current_cgroup_id()};
	struct abi_cgroup *c = emit_reserve(kind, cap);
	long n;

	if (!c)
		return true;
	n = bpf_probe_read_kernel_str((void *)c + sizeof(*c), room, path);
	if (cap == CLASS_SMALL && n == room) {
		emit_discard(c);
		return false;
	}
	if (n <= 0) {
		emit_read_failed(ABI_READ_NAME);
		hit.flags |= ABI_FLAG_PARTIAL;
		n = 1;
	}
	c->id = BPF_CORE_READ(cgroup, kn, id);
	c->parent_id = cgroup_parent_id(cgroup);
	c->level = BPF_CORE_READ(cgroup, level);
	c->scope_flags = scope_flags;
	c->path.off = sizeof(*c);
	c->path.len = n - 1;
	emit_header(&c->header, kind, sizeof(*c) + n - 1, task, &hit);
	emit_submit(c, kind, cap);
	return true;
}

static __always_inline void cgroup_report(
	struct cgroup *cgroup, const char *path, uint32_t kind, uint32_t scope_flags)
{
	struct abi_settings *s = scope_settings();

	if (!s || !(s->kind_mask & ABI_KIND_BIT(kind)))
		return;
	emit_seen(kind);
	if (!cgroup_emit(cgroup, path, kind, scope_flags, CLASS_SMALL))
		(void)cgroup_emit(cgroup, path, kind, scope_flags, CLASS_PATH);
}

SEC("raw_tp/cgroup_mkdir")
int cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cgroup = (void *)ctx->args[0];
	struct abi_settings *s = scope_settings();
	struct abi_scope entry = {.flags = SCOPE_PENDING}, *parent;
	uint64_t id, parent_id;

	if (!s || !cgroup_is_v2(cgroup))
		return 0;
	id = BPF_CORE_READ(cgroup, kn, id);
	parent_id = cgroup_parent_id(cgroup);
	parent = bpf_map_lookup_elem(&scope, &parent_id);
	if (parent) {
		entry = *parent;
		entry.flags |= SCOPE_INHERITED;
	} else if (s->flags & SETTING_NO_PENDING) {
		entry.flags = 0;
	}
	if ((parent || entry.flags) && bpf_map_update_elem(&scope, &id, &entry, BPF_ANY)) {
		emit_seen(ABI_KIND_NONE);
		emit_dropped(ABI_KIND_NONE, ABI_DROP_MAP_FULL);
		entry.flags = 0;
	}
	cgroup_report(cgroup, (void *)ctx->args[1], ABI_KIND_CGROUP_MKDIR, entry.flags);
	return 0;
}

SEC("raw_tp/cgroup_rmdir")
int cgroup_rmdir(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup *cgroup = (void *)ctx->args[0];
	struct abi_scope *entry;
	uint32_t flags = 0;
	uint64_t id;

	if (!cgroup_is_v2(cgroup))
		return 0;
	id = BPF_CORE_READ(cgroup, kn, id);
	entry = bpf_map_lookup_elem(&scope, &id);
	if (entry)
		flags = entry->flags;
	(void)bpf_map_delete_elem(&scope, &id);
	cgroup_report(cgroup, (void *)ctx->args[1], ABI_KIND_CGROUP_RMDIR, flags);
	return 0;
}
