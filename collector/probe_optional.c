/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/probe_optional.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "common/base/alloc.h"

#define PROTOTYPE_CONTEXT 1u /* a tracepoint's function type begins with its own void * */

/* Arguments of the tracepoint: from least to most. */
static const struct {
	const char *program, *tracepoint;
	unsigned least, most;
} optional[] = {
	{"uring_open_res", "btf_trace_io_uring_complete", 4, 12},
	{"uring_connect_res", "btf_trace_io_uring_complete", 4, 12},
	{"uring_open_cqe", "btf_trace_io_uring_complete", 3, 3},
	{"uring_connect_cqe", "btf_trace_io_uring_complete", 3, 3},
	{"capability_used", "btf_trace_cap_capable", 5, 12},
};

/* Number of a tracepoint's arguments; 0 = there is no such tracepoint. */
static unsigned arguments_of(const struct btf *btf, const char *tracepoint)
{
	int id = btf__find_by_name_kind(btf, tracepoint, BTF_KIND_TYPEDEF);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	while (t && (btf_is_typedef(t) || btf_is_ptr(t)))
		t = btf__type_by_id(btf, t->type);
	if (!t || !btf_is_func_proto(t) || btf_vlen(t) < PROTOTYPE_CONTEXT)
		return 0;
	return btf_vlen(t) - PROTOTYPE_CONTEXT;
}

static bool fits(const struct btf *btf, const char *program)
{
	for (size_t i = 0; i < PW_COUNT(optional); i++) {
		unsigned count = 0;

		if (strcmp(optional[i].program, program) != 0)
			continue;
		count = arguments_of(btf, optional[i].tracepoint);
		return count >= optional[i].least && count <= optional[i].most;
	}
	return true;
}

static bool is_optional(const char *program)
{
	for (size_t i = 0; i < PW_COUNT(optional); i++)
		if (strcmp(optional[i].program, program) == 0)
			return true;
	return false;
}

bool probe_optional_fits(const char *program)
{
	struct btf *btf = is_optional(program) ? btf__load_vmlinux_btf() : NULL;
	bool result = !is_optional(program) || (btf && fits(btf, program));

	btf__free(btf);
	return result;
}

void probe_optional_apply(struct bpf_object *object)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct bpf_program *p;

	bpf_object__for_each_program(p, object)
	{
		const char *name = bpf_program__name(p);

		if (is_optional(name) && !(btf && fits(btf, name)))
			(void)bpf_program__set_autoload(p, false);
	}
	btf__free(btf);
}
