/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/behaviour.h"

#include "analyzer/behaviour_rights.h"
#include "common/base/hash.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define DIM(x)    PODWARD__V1__DIMENSION__DIMENSION_##x
#define PFLAG(x)  ((uint32_t)PODWARD__V1__PROCESS_FLAG__PROCESS_FLAG_##x)
#define ACCESS(x) ((uint32_t)PODWARD__V1__FILE_ACCESS__FILE_ACCESS_##x)
/* Where the kernel takes ports from when nobody names one. Source: ip-sysctl, ip_local_port_range.
 */
#define EPHEMERAL 32768u

const char *behaviour_dimension_name(uint32_t dimension)
{
	static const char *const names[BEHAVIOUR_DIMENSIONS] = {"none", "exec", "file.read",
		"file.write", "file.create", "net.egress", "file.delete", "file.rename",
		"file.link", "file.mode", "net.listen", "dns", "syscall", "capability", "privilege",
		"exec.args"};

	return dimension < BEHAVIOUR_DIMENSIONS ? names[dimension] : "unknown";
}

static struct pw_slice cut_text(struct pw_slice s)
{
	if (s.len > BEHAVIOUR_TEXT_BYTES)
		s.len = BEHAVIOUR_TEXT_BYTES;
	return s;
}

uint64_t behaviour_key(uint32_t dimension, struct pw_slice actor, struct pw_slice object)
{
	uint8_t text[2 * BEHAVIOUR_TEXT_BYTES + 2];
	size_t len = 0;

	actor = cut_text(actor);
	object = cut_text(object);
	text[len++] = (uint8_t)dimension;
	if (actor.len > 0)
		memcpy(text + len, actor.ptr, actor.len);
	len += actor.len;
	text[len++] = 0;
	if (object.len > 0)
		memcpy(text + len, object.ptr, object.len);
	len += object.len;
	return pw_hash64(pw_slice_of(text, len), 0);
}

struct pw_slice behaviour_actor(const struct pw_event *e)
{
	if (e->kind != PW_EVENT_EXEC)
		return e->process->exe;
	return e->process->parent ? e->process->parent->exe : (struct pw_slice){NULL, 0};
}

void behaviour_add(struct behaviour_set *set, uint32_t dimension, struct pw_slice actor,
	struct pw_slice object)
{
	if (!(set->wanted & 1u << dimension) || object.len == 0 || set->count == BEHAVIOUR_MAX)
		return;
	object = cut_text(object);
	set->items[set->count++] = (struct behaviour){
		.key = behaviour_key(dimension, actor, object),
		.dimension = dimension,
		.actor = actor,
		.object = object,
	};
}

/* A program that is not of the image says so in its name: the same path from the image is another.
 */
static struct pw_slice executable(const struct pw_event *e, uint8_t *out)
{
	uint32_t flags = e->process->def.flags;
	struct pw_slice path = behaviour_path(e->object, out);
	const char *origin = flags & PFLAG(MEMFD)         ? " <memory>"
			     : flags & PFLAG(UPPER_LAYER) ? " <writable layer>"
							  : NULL;
	size_t len;

	if (!origin)
		return path;
	path = pw_slice_sub(path, 0, BEHAVIOUR_TEXT_BYTES - 32);
	if (path.ptr != out && path.len > 0)
		memcpy(out, path.ptr, path.len);
	len = strlen(origin);
	memcpy(out + path.len, origin, len);
	return pw_slice_of(out, path.len + len);
}

static void of_exec(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	struct pw_slice object;

	if (e->ret < 0)
		return;
	object = executable(e, set->object_text[0]);
	behaviour_add(set, DIM(EXEC), actor, object);
	if (e->process->args.len > 0)
		behaviour_add(set, DIM(EXEC_ARGS), object,
			behaviour_shape(e->process->args, set->shape_text));
}

static void of_open(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	struct pw_slice object;

	if (e->ret < 0 || (e->aux & ACCESS(PATH_ONLY)))
		return;
	object = behaviour_path(e->object, set->object_text[0]);
	if (e->aux & ACCESS(READ))
		behaviour_add(set, DIM(FILE_READ), actor, object);
	if (e->aux & (ACCESS(WRITE) | ACCESS(TRUNCATE)))
		behaviour_add(set, DIM(FILE_WRITE), actor, object);
	if (e->aux & ACCESS(CREATE))
		behaviour_add(set, DIM(FILE_CREATE), actor, object);
}

/* Dimension of operations on one or two paths; 0 = none. */
static uint32_t file_dimension(const struct pw_event *e)
{
	switch (e->kind) {
	case PW_EVENT_REMOVE:
		return DIM(FILE_DELETE);
	case PW_EVENT_RENAME:
		return DIM(FILE_RENAME);
	case PW_EVENT_LINK:
	case PW_EVENT_SYMLINK:
		return DIM(FILE_LINK);
	case PW_EVENT_MKDIR:
	case PW_EVENT_MKNOD:
		return DIM(FILE_CREATE);
	case PW_EVENT_TRUNCATE:
		return DIM(FILE_WRITE);
	case PW_EVENT_CHMOD:
		/* Only what makes something a program, or one with others' rights. */
		return e->aux & (S_IXUSR | S_IXGRP | S_IXOTH | S_ISUID | S_ISGID) ? DIM(FILE_MODE)
										  : 0;
	case PW_EVENT_SETXATTR:
		return pw_slice_eq_str(e->object2, "security.capability") ? DIM(FILE_MODE) : 0;
	default:
		return 0;
	}
}

static void of_file(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	uint32_t dimension = e->ret < 0 ? 0 : file_dimension(e);
	bool both = e->kind == PW_EVENT_RENAME || e->kind == PW_EVENT_LINK ||
		    (e->kind == PW_EVENT_SYMLINK && e->object2.len > 0 && e->object2.ptr[0] == '/');

	if (dimension == 0)
		return;
	behaviour_add(set, dimension, actor, behaviour_path(e->object, set->object_text[0]));
	if (both)
		behaviour_add(
			set, dimension, actor, behaviour_path(e->object2, set->object_text[1]));
}

/* The caller asked for a peer and the kernel tried: refused, unreachable or slow peers count too.
 */
static bool was_tried(int32_t ret)
{
	return ret >= 0 || ret == -EINPROGRESS || ret == -EINTR || ret == -ETIMEDOUT ||
	       ret == -ECONNREFUSED || ret == -EHOSTUNREACH || ret == -ENETUNREACH ||
	       ret == -EALREADY;
}

static int add_protocol(char *out, uint32_t aux)
{
	uint8_t proto = PW_CONNECT_PROTO(aux);

	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		return snprintf(out, 16, "%s/", proto == IPPROTO_TCP ? "tcp" : "udp");
	return snprintf(out, 16, "ip%u/", proto);
}

static void add_unix(const struct pw_event *e, uint32_t dimension, struct pw_slice actor,
	struct behaviour_set *set)
{
	struct pw_slice path = behaviour_path(e->object, set->object_text[1]);
	char *out = (char *)set->object_text[0];
	int len = snprintf(out, 16, "unix%s", path.ptr[0] == '/' ? "" : "/");

	/* Copied by hand: addresses may hold any byte, also NUL (abstract sockets). */
	path = pw_slice_sub(path, 0, 1024);
	memcpy(out + len, path.ptr, path.len);
	behaviour_add(set, dimension, actor, pw_slice_of(out, (size_t)len + path.len));
}

/* "tcp/10.0.0.1/443"; an answer to the port that a peer was given is always the same behaviour. */
static void of_egress(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	char *out = (char *)set->object_text[0];
	uint32_t port = PW_CONNECT_PORT(e->aux);
	int len;

	if (!was_tried(e->ret) || e->object.len == 0 || e->object.len > 1024)
		return;
	if (PW_CONNECT_FAMILY(e->aux) == AF_UNIX) {
		add_unix(e, DIM(NET_EGRESS), actor, set);
		return;
	}
	len = add_protocol(out, e->aux);
	memcpy(out + len, e->object.ptr, e->object.len);
	len += (int)e->object.len;
	if (e->kind == PW_EVENT_SEND && port >= EPHEMERAL)
		len += snprintf(out + len, 16, "/<given>");
	else
		len += snprintf(out + len, 16, "/%u", port);
	behaviour_add(set, DIM(NET_EGRESS), actor, pw_slice_of(out, (size_t)len));
}

static const char *scope_of(struct pw_slice address)
{
	if (pw_slice_eq_str(address, "0.0.0.0") || pw_slice_eq_str(address, "::"))
		return "any";
	if (pw_slice_starts(address, PW_SLICE_LIT("127.")) || pw_slice_eq_str(address, "::1"))
		return "loopback";
	return "address";
}

/* "tcp/any/80". A datagram socket never listens: binding it to a named port is the same. */
static void of_listen(const struct pw_event *e, struct pw_slice actor, struct behaviour_set *set)
{
	uint32_t port = PW_CONNECT_PORT(e->aux);
	char *out = (char *)set->object_text[0];
	int len;

	if (e->ret < 0)
		return;
	if (PW_CONNECT_FAMILY(e->aux) == AF_UNIX) {
		if (e->object.len > 0)
			add_unix(e, DIM(NET_LISTEN), actor, set);
		return;
	}
	if (e->kind == PW_EVENT_BIND && (PW_CONNECT_PROTO(e->aux) != IPPROTO_UDP || port == 0))
		return;
	len = add_protocol(out, e->aux);
	len += snprintf(out + len, 16, "%s/", scope_of(e->object));
	if (port == 0 || (port >= EPHEMERAL && e->kind == PW_EVENT_BIND))
		len += snprintf(out + len, 16, "<given>");
	else
		len += snprintf(out + len, 16, "%u", port);
	behaviour_add(set, DIM(NET_LISTEN), actor, pw_slice_of(out, (size_t)len));
}

void behaviour_of(const struct pw_event *e, uint32_t dimensions, struct behaviour_set *ret)
{
	struct pw_slice actor;

	ret->count = 0;
	ret->wanted = dimensions;
	if (dimensions == 0)
		return;
	actor = behaviour_path(behaviour_actor(e), ret->actor_text);
	switch (e->kind) {
	case PW_EVENT_EXEC:
		of_exec(e, actor, ret);
		return;
	case PW_EVENT_OPEN:
		of_open(e, actor, ret);
		return;
	case PW_EVENT_CONNECT:
	case PW_EVENT_SEND:
		of_egress(e, actor, ret);
		return;
	case PW_EVENT_BIND:
	case PW_EVENT_LISTEN:
		of_listen(e, actor, ret);
		return;
	case PW_EVENT_DNS:
		behaviour_add(ret, DIM(DNS), actor, behaviour_name(e->object, ret->object_text[0]));
		return;
	case PW_EVENT_OPEN_BY_HANDLE:
		of_open(e, actor, ret);
		behaviour_rights(e, actor, ret);
		return;
	default:
		of_file(e, actor, ret);
		behaviour_rights(e, actor, ret);
	}
}
