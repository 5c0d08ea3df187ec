/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/fields.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static bool put_text(struct field_value *ret, struct pw_slice s)
{
	ret->text = s;
	return s.len > 0;
}

static bool put_number(struct field_value *ret, int64_t n)
{
	ret->number = n;
	return true;
}

static struct pw_slice base_name(struct pw_slice path)
{
	ptrdiff_t slash = pw_slice_rfind_byte(path, '/');

	return slash < 0 ? path : pw_slice_sub(path, (size_t)slash + 1, path.len);
}

static struct pw_slice first_arg(struct pw_slice args)
{
	struct pw_slice rest = args, first = {NULL, 0};

	(void)pw_slice_cut(&rest, 0, &first);
	return first;
}

static void text_add(struct field_text *t, struct pw_slice s)
{
	size_t room = sizeof(t->bytes) - t->len;
	size_t len = s.len < room ? s.len : room;

	if (len > 0)
		memcpy(t->bytes + t->len, s.ptr, len);
	t->len += len;
}

/* Arguments behind argv[0], blanks between; lead goes in front. */
static void build_args(struct field_text *t, struct pw_slice lead, struct pw_slice args)
{
	struct pw_slice rest = args, arg;
	bool first = true;

	t->built = true;
	t->len = 0;
	text_add(t, lead);
	while (rest.len > 0 && pw_slice_cut(&rest, 0, &arg)) {
		if (!first && t->len > 0)
			text_add(t, PW_SLICE_LIT(" "));
		if (!first)
			text_add(t, arg);
		first = false;
	}
}

static struct pw_slice name_of(const struct pw_process *p)
{
	return p->comm.len > 0 ? p->comm : base_name(p->exe);
}

/* ---- evt ---- */
static bool get_evt_type(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_text(ret, pw_slice_str(field_event_name(c->event->kind)));
}

static bool get_evt_rawres(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_number(ret, c->event->ret);
}

static bool get_evt_res(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_text(ret, pw_slice_str(field_result_name(c->event->ret)));
}

static bool get_open_bit(struct field_ctx *c, uint32_t bits, struct field_value *ret)
{
	if (c->event->kind != PW_EVENT_OPEN)
		return false;
	return put_number(ret, (c->event->aux & bits) != 0);
}

static bool get_is_open_read(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return get_open_bit(c, PODWARD__V1__FILE_ACCESS__FILE_ACCESS_READ, ret);
}

static bool get_is_open_write(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return get_open_bit(c,
		PODWARD__V1__FILE_ACCESS__FILE_ACCESS_WRITE |
			PODWARD__V1__FILE_ACCESS__FILE_ACCESS_TRUNCATE,
		ret);
}

static bool get_outcome(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_text(ret, pw_slice_str(field_is_done(c->event) ? "done" : "refused"));
}

/* ---- proc ---- */
static bool get_name(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_text(ret, name_of(c->event->process));
}

static bool get_exe(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	struct pw_slice first = first_arg(c->event->process->args);

	(void)index;
	return put_text(ret, first.len > 0 ? first : c->event->process->exe);
}

static bool get_exepath(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_text(ret, c->event->process->exe);
}

static bool get_args(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	if (!c->args.built)
		build_args(&c->args, (struct pw_slice){NULL, 0}, c->event->process->args);
	(void)put_text(ret, pw_slice_of(c->args.bytes, c->args.len));
	return true; /* no arguments is a known, empty value */
}

static bool get_cmdline(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_process *p = c->event->process;

	(void)index;
	if (!c->cmdline.built)
		build_args(&c->cmdline, name_of(p), p->args);
	return put_text(ret, pw_slice_of(c->cmdline.bytes, c->cmdline.len));
}

static bool get_pcmdline(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_process *p = c->event->process->parent;

	(void)index;
	if (!p)
		return false;
	if (!c->pcmdline.built)
		build_args(&c->pcmdline, name_of(p), p->args);
	return put_text(ret, pw_slice_of(c->pcmdline.bytes, c->pcmdline.len));
}

static bool get_pexepath(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_process *p = c->event->process->parent;

	(void)index;
	return p && put_text(ret, p->exe);
}

static bool get_aname(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_process *p =
		field_ancestor(c->event->process, index < 0 ? 1 : (uint32_t)index);

	return p && put_text(ret, name_of(p));
}

static bool get_pname(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return get_aname(c, 1, ret);
}

static bool get_cwd(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_text(ret, c->event->process->cwd);
}

static bool get_pid(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_number(ret, c->event->process->def.pid);
}

static bool get_ppid(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_process *p = c->event->process->parent;

	(void)index;
	return p && put_number(ret, p->def.pid);
}

static bool get_tty(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_number(ret, c->event->process->def.tty);
}

static bool get_upper_layer(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_number(ret, (c->event->process->def.flags &
				       PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_UPPER_LAYER) != 0);
}

static bool get_memfd(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_number(ret, (c->event->process->def.flags &
				       PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_MEMFD) != 0);
}

static bool get_uid(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return put_number(ret, c->event->process->def.uid);
}

/* ---- fd ---- */
static bool is_inet(const struct pw_event *e)
{
	uint8_t family = PW_CONNECT_FAMILY(e->aux);

	return e->kind == PW_EVENT_CONNECT && (family == AF_INET || family == AF_INET6);
}

static bool has_fd(const struct pw_event *e)
{
	return e->kind == PW_EVENT_OPEN || e->kind == PW_EVENT_CONNECT;
}

static bool get_fd_name(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_event *e = c->event;
	char port[8];

	(void)index;
	if (!has_fd(e))
		return false;
	if (!is_inet(e))
		return put_text(ret, e->object);
	if (!c->fd_name.built) {
		int len = snprintf(port, sizeof(port), ":%u", PW_CONNECT_PORT(e->aux));

		c->fd_name.built = true;
		c->fd_name.len = 0;
		text_add(&c->fd_name, e->object);
		text_add(&c->fd_name, pw_slice_of(port, (size_t)len));
	}
	return put_text(ret, pw_slice_of(c->fd_name.bytes, c->fd_name.len));
}

static bool is_path(const struct pw_event *e)
{
	return e->kind == PW_EVENT_OPEN && e->object.len > 0;
}

static bool get_fd_directory(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	ptrdiff_t slash = pw_slice_rfind_byte(c->event->object, '/');

	(void)index;
	if (!is_path(c->event) || slash < 0)
		return false;
	return put_text(ret,
		slash == 0 ? PW_SLICE_LIT("/") : pw_slice_sub(c->event->object, 0, (size_t)slash));
}

static bool get_fd_filename(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return is_path(c->event) && put_text(ret, base_name(c->event->object));
}

static bool get_fd_typechar(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_event *e = c->event;
	uint8_t family = PW_CONNECT_FAMILY(e->aux);
	bool directory = (e->aux & PODWARD__V1__FILE_ACCESS__FILE_ACCESS_DIRECTORY) != 0;

	(void)index;
	if (e->kind == PW_EVENT_OPEN)
		return put_text(ret, directory ? PW_SLICE_LIT("d") : PW_SLICE_LIT("f"));
	if (e->kind != PW_EVENT_CONNECT)
		return false;
	if (family == AF_UNIX)
		return put_text(ret, PW_SLICE_LIT("u"));
	return is_inet(e) &&
	       put_text(ret, family == AF_INET ? PW_SLICE_LIT("4") : PW_SLICE_LIT("6"));
}

static bool get_fd_ip(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return is_inet(c->event) && put_text(ret, c->event->object);
}

static bool get_fd_port(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	(void)index;
	return is_inet(c->event) && put_number(ret, PW_CONNECT_PORT(c->event->aux));
}

static bool get_fd_l4proto(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	uint8_t proto = PW_CONNECT_PROTO(c->event->aux);

	(void)index;
	if (!is_inet(c->event))
		return false;
	if (proto == IPPROTO_TCP)
		return put_text(ret, PW_SLICE_LIT("tcp"));
	return proto == IPPROTO_UDP && put_text(ret, PW_SLICE_LIT("udp"));
}

/* ---- container, k8s ---- */
static const struct pw_container_def *container_of(const struct field_ctx *c)
{
	const struct pw_container *k = c->event->process->container;

	return k ? &k->def : NULL;
}

static bool get_container_id(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_container_def *d = container_of(c);

	(void)index;
	return put_text(ret, d ? d->id : PW_SLICE_LIT("host"));
}

static bool get_container_name(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_container_def *d = container_of(c);

	(void)index;
	return d && put_text(ret, d->name);
}

static bool get_container_image(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_container_def *d = container_of(c);

	(void)index;
	return d && put_text(ret, d->image);
}

/* The reference without digest and tag; a colon before the last slash belongs to the registry's
 * port. */
static bool get_container_repository(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_container_def *d = container_of(c);
	struct pw_slice s;
	ptrdiff_t at, colon, slash;

	(void)index;
	if (!d)
		return false;
	s = d->image;
	at = pw_slice_find_byte(s, '@');
	if (at >= 0)
		s.len = (size_t)at;
	colon = pw_slice_rfind_byte(s, ':');
	slash = pw_slice_rfind_byte(s, '/');
	if (colon > slash)
		s.len = (size_t)colon;
	return put_text(ret, s);
}

static bool get_namespace(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_container_def *d = container_of(c);
	struct pw_slice rest, name;

	(void)index;
	if (!d || d->pod_uid.len == 0)
		return false;
	rest = d->pod_group;
	return pw_slice_cut(&rest, '/', &name) && put_text(ret, name);
}

static bool get_pod_name(struct field_ctx *c, int32_t index, struct field_value *ret)
{
	const struct pw_container_def *d = container_of(c);

	(void)index;
	return d && put_text(ret, d->pod_name);
}

#define F(name, type, scope, get, help)                                           \
	{                                                                         \
		name, FIELD_##type, FIELD_##scope, FIELD_NO_ARG, get, false, help \
	}

const struct field_spec field_table[] = {
	{"evt.type", FIELD_TEXT, FIELD_EVENT, FIELD_NO_ARG, get_evt_type, true,
		"name of the system call"},
	F("evt.rawres", INT, EVENT, get_evt_rawres, "result of the system call as a number"),
	F("evt.res", TEXT, EVENT, get_evt_res, "SUCCESS or the name of the error"),
	F("evt.is_open_read", BOOL, EVENT, get_is_open_read, "opened for reading"),
	F("evt.is_open_write", BOOL, EVENT, get_is_open_write, "opened for writing or truncated"),
	F("outcome", TEXT, EVENT, get_outcome, "done, or refused by the kernel"),
	F("proc.name", TEXT, PROCESS, get_name, "command name, at most 15 bytes"),
	F("proc.exe", TEXT, PROCESS, get_exe, "first argument, as given by the caller"),
	F("proc.exepath", TEXT, PROCESS, get_exepath, "path of the executable, resolved"),
	F("proc.cmdline", TEXT, PROCESS, get_cmdline, "command name and arguments"),
	F("proc.args", TEXT, PROCESS, get_args, "arguments without the first"),
	F("proc.pname", TEXT, PROCESS, get_pname, "command name of the parent"),
	F("proc.pexepath", TEXT, PROCESS, get_pexepath, "path of the parent's executable"),
	F("proc.pcmdline", TEXT, PROCESS, get_pcmdline, "command line of the parent"),
	{"proc.aname", FIELD_TEXT, FIELD_PROCESS, FIELD_ANCESTOR, get_aname, false,
		"command name of ancestor [n], or of any ancestor"},
	F("proc.cwd", TEXT, PROCESS, get_cwd, "working directory"),
	F("proc.pid", INT, PROCESS, get_pid, "process id on the host"),
	F("proc.ppid", INT, PROCESS, get_ppid, "process id of the parent on the host"),
	F("proc.tty", INT, PROCESS, get_tty, "terminal device number, 0 = none"),
	F("proc.is_exe_upper_layer", BOOL, PROCESS, get_upper_layer,
		"executable lies in the writable layer"),
	F("proc.is_exe_from_memfd", BOOL, PROCESS, get_memfd, "executable is a memory file"),
	F("user.uid", INT, PROCESS, get_uid, "user id"),
	F("fd.name", TEXT, EVENT, get_fd_name, "path, or address and port"),
	F("fd.directory", TEXT, EVENT, get_fd_directory, "folder of the path"),
	F("fd.filename", TEXT, EVENT, get_fd_filename, "last part of the path"),
	F("fd.typechar", TEXT, EVENT, get_fd_typechar, "f file, d folder, 4 IPv4, 6 IPv6, u unix"),
	F("fd.rip", TEXT, EVENT, get_fd_ip, "address of the peer"),
	F("fd.sip", TEXT, EVENT, get_fd_ip, "address of the server"),
	F("fd.rport", INT, EVENT, get_fd_port, "port of the peer"),
	F("fd.sport", INT, EVENT, get_fd_port, "port of the server"),
	F("fd.l4proto", TEXT, EVENT, get_fd_l4proto, "tcp or udp"),
	F("container.id", TEXT, CONTAINER, get_container_id, "container id, host outside of one"),
	F("container.name", TEXT, CONTAINER, get_container_name, "container name"),
	F("container.image", TEXT, CONTAINER, get_container_image, "image reference"),
	F("container.image.repository", TEXT, CONTAINER, get_container_repository,
		"image reference without tag and digest"),
	F("k8s.ns.name", TEXT, CONTAINER, get_namespace, "namespace of the pod"),
	F("k8s.pod.name", TEXT, CONTAINER, get_pod_name, "name of the pod"),
};
const size_t field_count = PW_COUNT(field_table);
