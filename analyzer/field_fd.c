/* SPDX-License-Identifier: Apache-2.0 */
/* fd.*: the file or connection that an event is about. */
#include "analyzer/field_dns.h"
#include "analyzer/field_get.h"
#include "podward/v1/event.pb-c.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum stdio_type { STDIO_SOCKET = 1, STDIO_PIPE, STDIO_TTY, STDIO_FILE };

static bool is_socket_kind(const struct pw_event *e)
{
	switch (e->kind) {
	case PW_EVENT_CONNECT:
	case PW_EVENT_BIND:
	case PW_EVENT_LISTEN:
	case PW_EVENT_ACCEPT:
	case PW_EVENT_SEND:
		return true;
	default:
		return false;
	}
}

static bool is_file_kind(const struct pw_event *e)
{
	return e->kind == PW_EVENT_OPEN || e->kind == PW_EVENT_OPEN_BY_HANDLE;
}

/* AF_UNSPEC when it is no socket. A duplicated one tells its family by the form of its peer. */
static uint8_t family_of(const struct pw_event *e)
{
	if (is_socket_kind(e))
		return PW_CONNECT_FAMILY(e->aux);
	if (e->kind == PW_EVENT_SOCKET)
		return (uint8_t)(e->aux & 0xffu);
	if (e->kind != PW_EVENT_STDIO || e->arg != STDIO_SOCKET)
		return AF_UNSPEC;
	if (e->object.len == 0 || e->object.ptr[0] == '/' || e->object.ptr[0] == '@')
		return AF_UNIX;
	return e->object.ptr[0] == '[' || pw_slice_find(e->object, PW_SLICE_LIT("::")) >= 0
		       ? AF_INET6
		       : AF_INET;
}

static bool is_inet(const struct pw_event *e)
{
	uint8_t family = family_of(e);

	return is_socket_kind(e) && (family == AF_INET || family == AF_INET6);
}

static bool is_path(const struct pw_event *e)
{
	return e->object.len > 0 &&
	       (is_file_kind(e) || (e->kind == PW_EVENT_STDIO && e->arg == STDIO_FILE));
}

/* Printed for each connection: printf would cost more than all that is compared with it. */
static void add_port(struct field_build *b, uint16_t port)
{
	uint8_t text[6];
	size_t at = sizeof(text);

	do {
		text[--at] = (uint8_t)('0' + port % 10);
		port /= 10;
	} while (port > 0);
	text[--at] = ':';
	field_add(b, pw_slice_of(text + at, sizeof(text) - at));
}

FIELD_GETTER(get_fd_name)
{
	const struct pw_event *e = c->event;
	struct field_build b;

	(void)r;
	if (!is_file_kind(e) && !is_socket_kind(e) && e->kind != PW_EVENT_STDIO)
		return false;
	if (!is_inet(e))
		return field_text(ret, e->object);
	b = field_build(c);
	field_add(&b, e->object);
	add_port(&b, PW_CONNECT_PORT(e->aux));
	return field_text(ret, field_built(&b));
}

FIELD_GETTER(get_fd_directory)
{
	const struct pw_event *e = c->event;
	ptrdiff_t slash = pw_slice_rfind_byte(e->object, '/');

	(void)r;
	if (!is_path(e) || slash < 0)
		return false;
	return field_text(
		ret, slash == 0 ? PW_SLICE_LIT("/") : pw_slice_sub(e->object, 0, (size_t)slash));
}

FIELD_GETTER(get_fd_filename)
{
	(void)r;
	return is_path(c->event) && field_text(ret, field_base_name(c->event->object));
}

struct fd_type {
	const char *type, *typechar;
};

static struct fd_type stdio_type(const struct pw_event *e)
{
	switch (e->arg) {
	case STDIO_PIPE:
		return (struct fd_type){"pipe", "p"};
	case STDIO_TTY:
	case STDIO_FILE:
		return (struct fd_type){"file", "f"};
	default:
		return (struct fd_type){NULL, NULL};
	}
}

static struct fd_type type_of(const struct pw_event *e)
{
	bool folder = e->aux & PODWARD__V1__FILE_ACCESS__FILE_ACCESS_DIRECTORY;

	if (is_file_kind(e))
		return folder ? (struct fd_type){"directory", "d"} : (struct fd_type){"file", "f"};
	switch (family_of(e)) {
	case AF_UNIX:
		return (struct fd_type){"unix", "u"};
	case AF_INET:
		return (struct fd_type){"ipv4", "4"};
	case AF_INET6:
		return (struct fd_type){"ipv6", "6"};
	case AF_NETLINK:
		return (struct fd_type){"netlink", "n"};
	default:
		return e->kind == PW_EVENT_STDIO ? stdio_type(e) : (struct fd_type){NULL, NULL};
	}
}

FIELD_GETTER(get_fd_typechar)
{
	(void)r;
	return field_text(ret, pw_slice_str(type_of(c->event).typechar));
}

FIELD_GETTER(get_fd_type)
{
	(void)r;
	return field_text(ret, pw_slice_str(type_of(c->event).type));
}

FIELD_GETTER(get_fd_num)
{
	const struct pw_event *e = c->event;

	(void)r;
	if (e->kind == PW_EVENT_STDIO)
		return field_number(ret, e->aux & 0xffffu);
	if (!(r->spec->kinds >> e->kind & 1u) || e->ret < 0)
		return false;
	return field_number(ret, e->ret);
}

FIELD_GETTER(get_fd_l4proto)
{
	uint8_t proto = PW_CONNECT_PROTO(c->event->aux);

	(void)r;
	if (!is_inet(c->event))
		return false;
	if (proto == IPPROTO_TCP)
		return field_text(ret, PW_SLICE_LIT("tcp"));
	return proto == IPPROTO_UDP && field_text(ret, PW_SLICE_LIT("udp"));
}

/* ---- ends of a connection ---- */
static bool is_out(const struct pw_event *e)
{
	return e->kind == PW_EVENT_CONNECT || e->kind == PW_EVENT_SEND;
}

static bool is_local(const struct pw_event *e)
{
	return e->kind == PW_EVENT_BIND || e->kind == PW_EVENT_LISTEN;
}

FIELD_GETTER(get_fd_sip)
{
	const struct pw_event *e = c->event;

	(void)r;
	return is_inet(e) && (is_out(e) || is_local(e)) && field_text(ret, e->object);
}

FIELD_GETTER(get_fd_cip)
{
	(void)r;
	return is_inet(c->event) && c->event->kind == PW_EVENT_ACCEPT &&
	       field_text(ret, c->event->object);
}

FIELD_GETTER(get_fd_lip)
{
	(void)r;
	return is_inet(c->event) && is_local(c->event) && field_text(ret, c->event->object);
}

FIELD_GETTER(get_fd_rip)
{
	(void)r;
	return is_inet(c->event) && !is_local(c->event) && field_text(ret, c->event->object);
}

FIELD_GETTER(get_fd_ip)
{
	return r->index == 0 ? get_fd_sip(c, r, ret) : get_fd_cip(c, r, ret);
}

FIELD_GETTER(get_fd_sport)
{
	const struct pw_event *e = c->event;

	(void)r;
	if (!is_inet(e))
		return false;
	return field_number(ret,
		e->kind == PW_EVENT_ACCEPT ? (int64_t)(e->arg & 0xffffu) : PW_CONNECT_PORT(e->aux));
}

FIELD_GETTER(get_fd_cport)
{
	(void)r;
	return is_inet(c->event) && c->event->kind == PW_EVENT_ACCEPT &&
	       field_number(ret, PW_CONNECT_PORT(c->event->aux));
}

FIELD_GETTER(get_fd_lport)
{
	const struct pw_event *e = c->event;

	(void)r;
	return is_inet(e) && !is_out(e) && get_fd_sport(c, r, ret);
}

FIELD_GETTER(get_fd_rport)
{
	(void)r;
	return is_inet(c->event) && !is_local(c->event) &&
	       field_number(ret, PW_CONNECT_PORT(c->event->aux));
}

FIELD_GETTER(get_fd_port)
{
	return r->index == 0 ? get_fd_sport(c, r, ret) : get_fd_cport(c, r, ret);
}

FIELD_GETTER(get_fd_family)
{
	uint8_t family = family_of(c->event);

	(void)r;
	if (family == AF_UNIX)
		return field_text(ret, PW_SLICE_LIT("unix"));
	return (family == AF_INET || family == AF_INET6) && field_text(ret, PW_SLICE_LIT("ip"));
}

FIELD_GETTER(get_fd_connected)
{
	(void)r;
	if (!is_socket_kind(c->event))
		return false;
	return field_number(
		ret, c->event->kind == PW_EVENT_ACCEPT ||
			     (c->event->kind == PW_EVENT_CONNECT && c->event->ret >= 0));
}

/* A send without a connection names its peer each time. */
FIELD_GETTER(get_fd_name_changed)
{
	(void)r;
	return is_socket_kind(c->event) && field_number(ret, is_out(c->event));
}

FIELD_GETTER(get_fd_is_server)
{
	(void)r;
	return is_inet(c->event) && field_number(ret, !is_out(c->event));
}

FIELD_GETTER(get_fd_sip_name)
{
	struct field_value address = {.text = {NULL, 0}};

	return c->dns && get_fd_sip(c, r, &address) &&
	       field_dns_find(c->dns, c->event, address.text, &ret->text);
}
