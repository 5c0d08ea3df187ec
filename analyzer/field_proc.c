/* SPDX-License-Identifier: Apache-2.0 */
/* proc.*, thread.*, user.*, group.*: who did it, and its ancestors. */
#include "analyzer/field_get.h"
#include "podward/v1/event.pb-c.h"

#define PFLAG(x) ((uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##x)

/* Arguments behind argv[0], blanks between; lead goes in front. */
static struct pw_slice join_args(struct field_ctx *c, struct pw_slice lead, struct pw_slice args)
{
	struct field_build b = field_build(c);
	struct pw_slice rest = args, arg;
	bool first = true;

	field_add(&b, lead);
	while (rest.len > 0 && pw_slice_cut(&rest, 0, &arg)) {
		if (!first && c->used > b.from)
			field_add(&b, PW_SLICE_LIT(" "));
		if (!first)
			field_add(&b, arg);
		first = false;
	}
	return field_built(&b);
}

/* The text of the process itself, built at the first question. */
static struct pw_slice keep_args(
	struct field_ctx *c, struct field_kept *k, struct pw_slice lead, struct pw_slice args)
{
	size_t used = c->used;
	struct pw_slice text;

	if (!k->is_built) {
		text = join_args(c, lead, args);
		k->len = text.len;
		if (text.len > 0)
			memcpy(k->bytes, text.ptr, text.len);
		k->is_built = true;
		c->used = used;
	}
	return pw_slice_of(k->bytes, k->len);
}

static const struct pw_process *self_of(const struct field_ctx *c)
{
	return c->event->process;
}

/* The ancestor that [n] names; the parent when none is given. */
static const struct pw_process *ancestor_of(const struct field_ctx *c, const struct field_ref *r)
{
	return field_ancestor(self_of(c), r->index < 0 ? 1 : (uint32_t)r->index);
}

static struct pw_slice first_arg(const struct pw_process *p)
{
	struct pw_slice rest = p->args, first = {NULL, 0};

	(void)pw_slice_cut(&rest, 0, &first);
	return first.len > 0 ? first : p->exe;
}

FIELD_GETTER(get_name)
{
	(void)r;
	return field_text(ret, field_process_name(self_of(c)));
}

FIELD_GETTER(get_pname)
{
	const struct pw_process *p = self_of(c)->parent;

	(void)r;
	return p && field_text(ret, field_process_name(p));
}

FIELD_GETTER(get_aname)
{
	const struct pw_process *p = ancestor_of(c, r);

	return p && field_text(ret, field_process_name(p));
}

FIELD_GETTER(get_exe)
{
	(void)r;
	return field_text(ret, first_arg(self_of(c)));
}

FIELD_GETTER(get_pexe)
{
	const struct pw_process *p = self_of(c)->parent;

	(void)r;
	return p && field_text(ret, first_arg(p));
}

FIELD_GETTER(get_aexe)
{
	const struct pw_process *p = ancestor_of(c, r);

	return p && field_text(ret, first_arg(p));
}

FIELD_GETTER(get_exepath)
{
	(void)r;
	return field_text(ret, self_of(c)->exe);
}

FIELD_GETTER(get_pexepath)
{
	const struct pw_process *p = self_of(c)->parent;

	(void)r;
	return p && field_text(ret, p->exe);
}

FIELD_GETTER(get_aexepath)
{
	const struct pw_process *p = ancestor_of(c, r);

	return p && field_text(ret, p->exe);
}

FIELD_GETTER(get_args)
{
	(void)r;
	(void)field_text(ret, keep_args(c, &c->args, (struct pw_slice){NULL, 0}, self_of(c)->args));
	return true; /* no arguments is a known, empty value */
}

static bool cmdline_of(struct field_ctx *c, const struct pw_process *p, struct field_value *ret)
{
	return p && field_text(ret, join_args(c, field_process_name(p), p->args));
}

FIELD_GETTER(get_cmdline)
{
	const struct pw_process *p = self_of(c);

	(void)r;
	return field_text(ret, keep_args(c, &c->cmdline, field_process_name(p), p->args));
}

FIELD_GETTER(get_pcmdline)
{
	(void)r;
	return cmdline_of(c, self_of(c)->parent, ret);
}

FIELD_GETTER(get_acmdline)
{
	return cmdline_of(c, ancestor_of(c, r), ret);
}

/* With a slash at the end, so that prefixes of folders can be compared. */
FIELD_GETTER(get_cwd)
{
	struct pw_slice cwd = self_of(c)->cwd;
	struct field_build b;

	(void)r;
	if (cwd.len == 0 || cwd.ptr[cwd.len - 1] == '/')
		return field_text(ret, cwd);
	b = field_build(c);
	field_add(&b, cwd);
	field_add(&b, PW_SLICE_LIT("/"));
	return field_text(ret, field_built(&b));
}

FIELD_GETTER(get_pid)
{
	(void)r;
	return field_number(ret, self_of(c)->def.pid);
}

FIELD_GETTER(get_ppid)
{
	const struct pw_process *p = self_of(c)->parent;

	(void)r;
	return p && field_number(ret, p->def.pid);
}

FIELD_GETTER(get_apid)
{
	const struct pw_process *p = ancestor_of(c, r);

	return p && field_number(ret, p->def.pid);
}

FIELD_GETTER(get_vpid)
{
	(void)r;
	return self_of(c)->def.vpid && field_number(ret, self_of(c)->def.vpid);
}

FIELD_GETTER(get_pvpid)
{
	const struct pw_process *p = self_of(c)->parent;

	(void)r;
	return p && p->def.vpid && field_number(ret, p->def.vpid);
}

FIELD_GETTER(get_sid)
{
	(void)r;
	return field_number(ret, self_of(c)->def.session);
}

/* The session's leader, when it is the process itself or among its ancestors. */
FIELD_GETTER(get_sname)
{
	const struct pw_process *p = self_of(c);
	uint32_t session = p->def.session;

	(void)r;
	for (uint32_t i = 0; p && i <= FIELD_INDEX_LIMIT; i++, p = p->parent)
		if (p->def.pid == session)
			return field_text(ret, field_process_name(p));
	return false;
}

FIELD_GETTER(get_sid_leader)
{
	(void)r;
	return field_number(ret, self_of(c)->def.session == self_of(c)->def.pid);
}

FIELD_GETTER(get_tty)
{
	(void)r;
	return field_number(ret, self_of(c)->def.tty);
}

static bool age_of(const struct field_ctx *c, const struct pw_process *p, struct field_value *ret)
{
	if (!p || p->def.start.ns == 0 || p->def.start.ns > c->event->time.ns)
		return false;
	return field_number(ret, (int64_t)(c->event->time.ns - p->def.start.ns));
}

FIELD_GETTER(get_duration)
{
	(void)r;
	return age_of(c, self_of(c), ret);
}

FIELD_GETTER(get_ppid_duration)
{
	(void)r;
	return age_of(c, self_of(c)->parent, ret);
}

static bool flag_of(const struct field_ctx *c, uint32_t flag, struct field_value *ret)
{
	return field_number(ret, (self_of(c)->def.flags & flag) != 0);
}

FIELD_GETTER(get_upper_layer)
{
	(void)r;
	return flag_of(c, PFLAG(UPPER_LAYER), ret);
}

FIELD_GETTER(get_memfd)
{
	(void)r;
	return flag_of(c, PFLAG(MEMFD), ret);
}

FIELD_GETTER(get_deleted)
{
	(void)r;
	return flag_of(c, PFLAG(DELETED), ret);
}

FIELD_GETTER(get_by_fd)
{
	(void)r;
	return flag_of(c, PFLAG(BY_FD), ret);
}

FIELD_GETTER(get_from_init)
{
	(void)r;
	return field_number(ret, !(self_of(c)->def.flags & PFLAG(NOT_FROM_INIT)));
}

FIELD_GETTER(get_script)
{
	(void)r;
	return field_text(ret, self_of(c)->script);
}

FIELD_GETTER(get_exe_ino)
{
	(void)r;
	return self_of(c)->def.exe_inode &&
	       field_number(ret, (int64_t)(self_of(c)->def.exe_inode & INT64_MAX));
}

FIELD_GETTER(get_env)
{
	struct pw_slice rest = self_of(c)->env, part;
	struct field_build b = field_build(c);

	(void)r;
	while (rest.len > 0 && pw_slice_cut(&rest, 0, &part)) {
		if (c->used > b.from)
			field_add(&b, PW_SLICE_LIT(" "));
		field_add(&b, part);
	}
	return field_text(ret, field_built(&b));
}

FIELD_GETTER(get_env_key)
{
	struct pw_slice rest = self_of(c)->env, part;

	while (rest.len > 0 && pw_slice_cut(&rest, 0, &part)) {
		if (part.len <= r->key.len || part.ptr[r->key.len] != '=' ||
			!pw_slice_starts(part, r->key))
			continue;
		ret->text = pw_slice_sub(part, r->key.len + 1, part.len);
		return true; /* set, but empty, is a value */
	}
	return false;
}

static bool stdio_type(
	const struct field_ctx *c, uint32_t socket, uint32_t pipe, struct field_value *ret)
{
	uint32_t flags = self_of(c)->def.flags;

	if (flags & socket)
		return field_text(ret, PW_SLICE_LIT("socket"));
	return field_text(ret, flags & pipe ? PW_SLICE_LIT("pipe") : PW_SLICE_LIT("other"));
}

FIELD_GETTER(get_stdin_type)
{
	(void)r;
	return stdio_type(c, PFLAG(STDIN_SOCKET), PFLAG(STDIN_PIPE), ret);
}

FIELD_GETTER(get_stdout_type)
{
	(void)r;
	return stdio_type(c, PFLAG(STDOUT_SOCKET), PFLAG(STDOUT_PIPE), ret);
}

FIELD_GETTER(get_stderr_type)
{
	(void)r;
	return stdio_type(c, PFLAG(STDERR_SOCKET), 0, ret);
}

static bool caps_of(struct field_ctx *c, uint64_t set, struct field_value *ret)
{
	(void)field_text(ret, field_flags(c, FIELD_CAPS, set));
	return true; /* none is a value */
}

FIELD_GETTER(get_cap_effective)
{
	(void)r;
	return caps_of(c, self_of(c)->def.caps_effective, ret);
}

FIELD_GETTER(get_cap_permitted)
{
	(void)r;
	return caps_of(c, self_of(c)->def.caps_permitted, ret);
}

FIELD_GETTER(get_cap_inheritable)
{
	(void)r;
	return caps_of(c, self_of(c)->def.caps_inheritable, ret);
}

FIELD_GETTER(get_uid)
{
	(void)r;
	return field_number(ret, self_of(c)->def.uid);
}

FIELD_GETTER(get_euid)
{
	(void)r;
	return field_number(ret, self_of(c)->def.euid);
}

/* The names of other ids are in the container's files, which nobody here reads. */
static bool id_name(struct field_ctx *c, uint32_t id, struct field_value *ret)
{
	return field_text(ret, id == 0 ? PW_SLICE_LIT("root") : field_decimal(c, id));
}

FIELD_GETTER(get_user_name)
{
	(void)r;
	return id_name(c, self_of(c)->def.uid, ret);
}

FIELD_GETTER(get_gid)
{
	(void)r;
	return field_number(ret, self_of(c)->def.gid);
}

FIELD_GETTER(get_group_name)
{
	(void)r;
	return id_name(c, self_of(c)->def.gid, ret);
}

FIELD_GETTER(get_target_pid)
{
	(void)r;
	return c->event->target && field_number(ret, c->event->target->def.pid);
}

FIELD_GETTER(get_target_name)
{
	(void)r;
	return c->event->target && field_text(ret, field_process_name(c->event->target));
}

FIELD_GETTER(get_target_exepath)
{
	(void)r;
	return c->event->target && field_text(ret, c->event->target->exe);
}
