/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/fields.h"

#include <errno.h>
#include <stdio.h>

/* System calls by the event kind that reports them; kind 0 = known name, not captured yet. */
static const struct {
	const char *name;
	uint8_t kind;
} event_names[] = {
	{"execve", PW_EVENT_EXEC},
	{"execveat", PW_EVENT_EXEC},
	{"openat", PW_EVENT_OPEN},
	{"open", PW_EVENT_OPEN},
	{"openat2", PW_EVENT_OPEN},
	{"creat", PW_EVENT_OPEN},
	{"connect", PW_EVENT_CONNECT},
	{"procexit", PW_EVENT_EXIT},
	{"exit", PW_EVENT_EXIT},
	{"exit_group", PW_EVENT_EXIT},
	{"accept", 0},
	{"accept4", 0},
	{"bind", 0},
	{"bpf", 0},
	{"chmod", 0},
	{"chroot", 0},
	{"clone", 0},
	{"clone3", 0},
	{"dup", 0},
	{"dup2", 0},
	{"dup3", 0},
	{"fchmod", 0},
	{"fchmodat", 0},
	{"finit_module", 0},
	{"fork", 0},
	{"init_module", 0},
	{"kill", 0},
	{"link", 0},
	{"linkat", 0},
	{"listen", 0},
	{"mkdir", 0},
	{"mkdirat", 0},
	{"mount", 0},
	{"ptrace", 0},
	{"recvfrom", 0},
	{"recvmsg", 0},
	{"rename", 0},
	{"renameat", 0},
	{"renameat2", 0},
	{"rmdir", 0},
	{"sendmsg", 0},
	{"sendto", 0},
	{"setgid", 0},
	{"setns", 0},
	{"setuid", 0},
	{"socket", 0},
	{"symlink", 0},
	{"symlinkat", 0},
	{"umount", 0},
	{"unlink", 0},
	{"unlinkat", 0},
	{"unshare", 0},
	{"userfaultfd", 0},
	{"vfork", 0},
};

int field_ctx_new(struct field_ctx **ret)
{
	struct field_ctx *c = pw_alloc0(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

void field_ctx_free(struct field_ctx *c)
{
	free(c);
}

void field_ctx_begin(struct field_ctx *c, const struct pw_event *event)
{
	c->event = event;
	c->args.built = false;
	c->cmdline.built = false;
	c->pcmdline.built = false;
	c->fd_name.built = false;
}

const struct field_spec *field_find(struct pw_slice name)
{
	for (size_t i = 0; i < field_count; i++)
		if (pw_slice_eq_str(name, field_table[i].name))
			return &field_table[i];
	return NULL;
}

bool field_print(const struct field_spec *f, int32_t index, struct field_ctx *c, char out[24],
	struct pw_slice *ret)
{
	struct field_value v = {.text = {NULL, 0}};

	if (!f->get(c, index, &v))
		return false;
	if (f->type == FIELD_TEXT) {
		*ret = v.text;
		return true;
	}
	if (f->type == FIELD_BOOL)
		*ret = pw_slice_str(v.number ? "true" : "false");
	else
		*ret = pw_slice_of(out, (size_t)snprintf(out, 24, "%lld", (long long)v.number));
	return true;
}

const struct pw_process *field_ancestor(const struct pw_process *p, uint32_t n)
{
	while (p && n-- > 0)
		p = p->parent;
	return p;
}

int field_event_mask(struct pw_slice name, uint64_t *ret_mask)
{
	for (size_t i = 0; i < PW_COUNT(event_names); i++) {
		if (!pw_slice_eq_str(name, event_names[i].name))
			continue;
		*ret_mask = event_names[i].kind ? 1ull << event_names[i].kind : 0;
		return 0;
	}
	return -EINVAL;
}

const char *field_event_name(uint8_t kind)
{
	for (size_t i = 0; i < PW_COUNT(event_names); i++)
		if (event_names[i].kind == kind)
			return event_names[i].name;
	return "unknown";
}

const char *field_result_name(int32_t ret)
{
	const char *name;

	if (ret >= 0)
		return "SUCCESS";
	/* ret is not trusted: negating INT32_MIN must not overflow. */
	name = ret > -4096 ? strerrorname_np(-ret) : NULL;
	return name ? name : "UNKNOWN";
}

bool field_is_done(const struct pw_event *e)
{
	return e->ret >= 0 || e->kind == PW_EVENT_EXIT ||
	       (e->kind == PW_EVENT_CONNECT && e->ret == -EINPROGRESS);
}
