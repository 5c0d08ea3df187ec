/* SPDX-License-Identifier: Apache-2.0 */
/* evt.*: the call itself, its result and its arguments. */
#include "analyzer/field_calls.h"
#include "analyzer/field_get.h"
#include "podward/v1/event.pb-c.h"

#include <stdio.h>
#include <sys/socket.h>

#define ACCESS(x) ((uint32_t)PODWARD__V1__FILE_ACCESS__FILE_ACCESS_##x)
#define EFLAG(x)  ((uint32_t)PODWARD__V1__EVENT_FLAG__EVENT_FLAG_##x)

FIELD_GETTER(get_evt_type)
{
	(void)r;
	return field_text(ret, pw_slice_str(field_call_name(c->event)));
}

FIELD_GETTER(get_evt_rawres)
{
	(void)r;
	return field_number(ret, c->event->ret);
}

FIELD_GETTER(get_evt_res)
{
	(void)r;
	return field_text(ret, pw_slice_str(field_result_name(c->event->ret)));
}

FIELD_GETTER(get_evt_failed)
{
	(void)r;
	return field_number(ret, !field_is_done(c->event));
}

FIELD_GETTER(get_evt_dir)
{
	(void)c, (void)r;
	return field_text(ret, PW_SLICE_LIT("<"));
}

FIELD_GETTER(get_evt_num)
{
	(void)c, (void)r;
	return field_number(ret, 1); /* never 0: what compares it with 0 wants to be never true */
}

FIELD_GETTER(get_evt_source)
{
	(void)c, (void)r;
	return field_text(ret, PW_SLICE_LIT("syscall"));
}

FIELD_GETTER(get_evt_count)
{
	(void)r;
	return field_number(ret, c->event->count);
}

FIELD_GETTER(get_evt_time)
{
	struct field_build b = field_build(c);
	char when[PW_WALL_TEXT_SIZE];

	(void)r;
	pw_wall_format(c->event->wall, when);
	field_add(&b, pw_slice_str(when));
	return field_text(ret, field_built(&b));
}

static bool open_bits(const struct field_ctx *c, uint32_t bits, struct field_value *ret)
{
	if (c->event->kind != PW_EVENT_OPEN && c->event->kind != PW_EVENT_OPEN_BY_HANDLE)
		return false;
	return field_number(ret, (c->event->aux & bits) != 0);
}

FIELD_GETTER(get_is_open_read)
{
	(void)r;
	return open_bits(c, ACCESS(READ), ret);
}

FIELD_GETTER(get_is_open_write)
{
	(void)r;
	return open_bits(c, ACCESS(WRITE) | ACCESS(TRUNCATE), ret);
}

FIELD_GETTER(get_is_open_create)
{
	(void)r;
	return open_bits(c, ACCESS(CREATE), ret);
}

FIELD_GETTER(get_outcome)
{
	(void)r;
	return field_text(ret, pw_slice_str(field_is_done(c->event) ? "done" : "refused"));
}

FIELD_GETTER(get_io_uring)
{
	(void)r;
	return field_number(ret, (c->event->flags & EFLAG(IO_URING)) != 0);
}

FIELD_GETTER(get_compat)
{
	(void)r;
	return field_number(ret, (c->event->flags & EFLAG(COMPAT)) != 0);
}

/* ---- arguments ---- */
static bool has_kind(const struct field_ctx *c, uint64_t kinds)
{
	return kinds >> c->event->kind & 1u;
}

FIELD_GETTER(get_arg_path)
{
	return has_kind(c, r->spec->kinds) && field_text(ret, c->event->object);
}

FIELD_GETTER(get_arg_oldpath)
{
	const struct pw_event *e = c->event;

	(void)r;
	if (e->kind == PW_EVENT_RENAME)
		return field_text(ret, e->object);
	return e->kind == PW_EVENT_LINK && field_text(ret, e->object2);
}

FIELD_GETTER(get_arg_newpath)
{
	const struct pw_event *e = c->event;

	(void)r;
	if (e->kind == PW_EVENT_RENAME)
		return field_text(ret, e->object2);
	return e->kind == PW_EVENT_LINK && field_text(ret, e->object);
}

FIELD_GETTER(get_arg_target)
{
	(void)r;
	return c->event->kind == PW_EVENT_SYMLINK && field_text(ret, c->event->object2);
}

FIELD_GETTER(get_arg_xattr)
{
	(void)r;
	return c->event->kind == PW_EVENT_SETXATTR && field_text(ret, c->event->object2);
}

FIELD_GETTER(get_arg_mode)
{
	return has_kind(c, r->spec->kinds) &&
	       field_text(ret, field_flags(c, FIELD_MODE, c->event->aux & 07777u));
}

static struct pw_slice open_flags(struct field_ctx *c)
{
	uint32_t aux = c->event->aux;
	bool reads = aux & ACCESS(READ), writes = aux & ACCESS(WRITE);
	struct field_build b = field_build(c);

	field_add(&b, reads && writes ? PW_SLICE_LIT("O_RDWR")
		      : writes        ? PW_SLICE_LIT("O_WRONLY")
				      : PW_SLICE_LIT("O_RDONLY"));
	if (aux & (ACCESS(CREATE) | ACCESS(TRUNCATE) | ACCESS(DIRECTORY) | ACCESS(PATH_ONLY)))
		field_add(&b, PW_SLICE_LIT("|"));
	(void)field_flags(c, FIELD_OPEN, aux);
	return pw_slice_of(c->scratch + b.from, c->used - b.from);
}

FIELD_GETTER(get_arg_flags)
{
	const struct pw_event *e = c->event;

	(void)r;
	switch (e->kind) {
	case PW_EVENT_OPEN:
		return field_text(ret, open_flags(c));
	case PW_EVENT_UNSHARE:
	case PW_EVENT_CLONE_NS:
		return field_text(ret, field_flags(c, FIELD_CLONE, e->arg));
	case PW_EVENT_SETNS:
		return field_text(ret, field_flags(c, FIELD_CLONE, e->aux));
	case PW_EVENT_MOUNT:
		return field_text(ret, field_flags(c, FIELD_MOUNT, e->arg));
	default:
		return false;
	}
}

FIELD_GETTER(get_arg_uid)
{
	(void)r;
	if (c->event->kind != PW_EVENT_SETID && c->event->kind != PW_EVENT_CHOWN)
		return false;
	return field_text(ret, field_decimal(c, c->event->aux));
}

FIELD_GETTER(get_arg_request)
{
	(void)r;
	return c->event->kind == PW_EVENT_PTRACE &&
	       field_text(ret, field_name_of(c, FIELD_PTRACE, c->event->aux));
}

FIELD_GETTER(get_arg_cmd)
{
	(void)r;
	return c->event->kind == PW_EVENT_BPF &&
	       field_text(ret, field_name_of(c, FIELD_BPF, c->event->aux));
}

FIELD_GETTER(get_arg_domain)
{
	(void)r;
	return c->event->kind == PW_EVENT_SOCKET &&
	       field_text(ret, field_name_of(c, FIELD_DOMAIN, c->event->aux & 0xffffu));
}

FIELD_GETTER(get_arg_option)
{
	return has_kind(c, r->spec->kinds) && field_number(ret, c->event->aux);
}

FIELD_GETTER(get_arg_name)
{
	return has_kind(c, r->spec->kinds) && field_text(ret, c->event->object);
}

FIELD_GETTER(get_arg_signal)
{
	(void)r;
	return c->event->kind == PW_EVENT_KILL && field_number(ret, c->event->aux);
}

/* object2 of a mount: source NUL type. */
static struct pw_slice mount_part(const struct pw_event *e, bool is_type)
{
	struct pw_slice rest = e->object2, source = {NULL, 0};

	(void)pw_slice_cut(&rest, 0, &source);
	return is_type ? rest : source;
}

FIELD_GETTER(get_arg_dev)
{
	(void)r;
	return c->event->kind == PW_EVENT_MOUNT && field_text(ret, mount_part(c->event, false));
}

FIELD_GETTER(get_arg_fstype)
{
	(void)r;
	return c->event->kind == PW_EVENT_MOUNT && field_text(ret, mount_part(c->event, true));
}

FIELD_GETTER(get_arg_capability)
{
	(void)r;
	return c->event->kind == PW_EVENT_CAPABILITY &&
	       field_text(ret, field_name_of(c, FIELD_CAPS, c->event->aux));
}

FIELD_GETTER(get_arg_number)
{
	(void)r;
	return field_number(ret, (int64_t)(c->event->arg & INT64_MAX));
}

FIELD_GETTER(get_dns_name)
{
	(void)r;
	return c->event->kind == PW_EVENT_DNS && field_text(ret, c->event->object);
}

FIELD_GETTER(get_dns_type)
{
	(void)r;
	return c->event->kind == PW_EVENT_DNS && field_number(ret, c->event->aux & 0xffffu);
}

FIELD_GETTER(get_dns_answers)
{
	struct pw_slice rest = c->event->object2, part;
	struct field_build b = field_build(c);

	(void)r;
	if (c->event->kind != PW_EVENT_DNS)
		return false;
	while (rest.len > 0 && pw_slice_cut(&rest, 0, &part)) {
		if (c->used > b.from)
			field_add(&b, PW_SLICE_LIT(" "));
		field_add(&b, part);
	}
	return field_text(ret, field_built(&b));
}
