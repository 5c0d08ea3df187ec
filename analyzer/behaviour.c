/* SPDX-License-Identifier: Apache-2.0 */
#include "analyzer/behaviour.h"

#include "analyzer/fields.h"
#include "common/base/hash.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#define DIM(x) PODWARD__V1__DIMENSION__DIMENSION_##x

const char *behaviour_dimension_name(uint32_t dimension)
{
	static const char *const names[BEHAVIOUR_DIMENSIONS] = {
		"none", "exec", "file.read", "file.write", "file.create", "net.egress"};

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

static size_t digits_at(struct pw_slice s, size_t from)
{
	size_t i = from;

	while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
		i++;
	return i - from;
}

/* "/proc/123/status" -> "/proc/<pid>/status", "/proc/7/task/9/x" -> "/proc/<pid>/task/<tid>/x". */
static struct pw_slice generalise(struct pw_slice path, uint8_t out[BEHAVIOUR_TEXT_BYTES + 16])
{
	const struct pw_slice proc = PW_SLICE_LIT("/proc/"), task = PW_SLICE_LIT("/task/");
	size_t digits, at, len;

	path = cut_text(path);
	if (!pw_slice_starts(path, proc))
		return path;
	digits = digits_at(path, proc.len);
	at = proc.len + digits;
	if (digits == 0 || (at < path.len && path.ptr[at] != '/'))
		return path;
	memcpy(out, "/proc/<pid>", 11);
	len = 11;
	if (pw_slice_starts(pw_slice_sub(path, at, path.len), task)) {
		digits = digits_at(path, at + task.len);
		if (digits > 0 && (at + task.len + digits == path.len ||
					  path.ptr[at + task.len + digits] == '/')) {
			memcpy(out + len, "/task/<tid>", 11);
			len += 11;
			at += task.len + digits;
		}
	}
	/* Grows by at most 9 bytes: "<pid>" for one digit, "<tid>" for one digit. */
	memcpy(out + len, path.ptr + at, path.len - at);
	return pw_slice_of(out, len + path.len - at);
}

static void add(struct behaviour_set *set, uint32_t wanted, uint32_t dimension,
	struct pw_slice actor, struct pw_slice object)
{
	if (!(wanted & 1u << dimension) || object.len == 0)
		return;
	set->items[set->count++] = (struct behaviour){
		.key = behaviour_key(dimension, actor, object),
		.dimension = dimension,
		.actor = actor,
		.object = object,
	};
}

static void of_open(
	const struct pw_event *e, uint32_t wanted, struct pw_slice actor, struct behaviour_set *set)
{
	struct pw_slice object;

	if (e->ret < 0 || (e->aux & PODWARD__V1__FILE_ACCESS__FILE_ACCESS_PATH_ONLY))
		return;
	object = generalise(e->object, set->object_text);
	if (e->aux & PODWARD__V1__FILE_ACCESS__FILE_ACCESS_READ)
		add(set, wanted, DIM(FILE_READ), actor, object);
	if (e->aux & (PODWARD__V1__FILE_ACCESS__FILE_ACCESS_WRITE |
			     PODWARD__V1__FILE_ACCESS__FILE_ACCESS_TRUNCATE))
		add(set, wanted, DIM(FILE_WRITE), actor, object);
	if (e->aux & PODWARD__V1__FILE_ACCESS__FILE_ACCESS_CREATE)
		add(set, wanted, DIM(FILE_CREATE), actor, object);
}

/* The caller asked for a peer and the kernel tried: refused, unreachable or slow peers count too.
 */
static bool connect_was_tried(int32_t ret)
{
	return ret >= 0 || ret == -EINPROGRESS || ret == -EINTR || ret == -ETIMEDOUT ||
	       ret == -ECONNREFUSED || ret == -EHOSTUNREACH || ret == -ENETUNREACH ||
	       ret == -EALREADY;
}

static void of_connect(
	const struct pw_event *e, uint32_t wanted, struct pw_slice actor, struct behaviour_set *set)
{
	uint8_t family = PW_CONNECT_FAMILY(e->aux), proto = PW_CONNECT_PROTO(e->aux);
	char *out = (char *)set->object_text;
	int len;

	if (!connect_was_tried(e->ret) || e->object.len == 0)
		return;
	if (family == AF_UNIX)
		len = snprintf(
			out, BEHAVIOUR_TEXT_BYTES, "unix%s", e->object.ptr[0] == '/' ? "" : "/");
	else if (proto == IPPROTO_TCP || proto == IPPROTO_UDP)
		len = snprintf(
			out, BEHAVIOUR_TEXT_BYTES, "%s/", proto == IPPROTO_TCP ? "tcp" : "udp");
	else
		len = snprintf(out, BEHAVIOUR_TEXT_BYTES, "ip%u/", proto);
	if (e->object.len > 1024)
		return;
	/* Copied by hand: addresses may hold any byte, also NUL (abstract sockets). */
	memcpy(out + len, e->object.ptr, e->object.len);
	len += (int)e->object.len;
	if (family != AF_UNIX)
		len += snprintf(out + len, 16, "/%u", PW_CONNECT_PORT(e->aux));
	add(set, wanted, DIM(NET_EGRESS), actor, pw_slice_of(out, (size_t)len));
}

void behaviour_of(const struct pw_event *e, uint32_t dimensions, struct behaviour_set *ret)
{
	struct pw_slice actor = generalise(behaviour_actor(e), ret->actor_text);

	ret->count = 0;
	switch (e->kind) {
	case PW_EVENT_EXEC:
		if (e->ret >= 0)
			add(ret, dimensions, DIM(EXEC), actor,
				generalise(e->object, ret->object_text));
		break;
	case PW_EVENT_OPEN:
		of_open(e, dimensions, actor, ret);
		break;
	case PW_EVENT_CONNECT:
		of_connect(e, dimensions, actor, ret);
		break;
	default:
		break;
	}
}
