// SPDX-License-Identifier: Apache-2.0
#include "policysync/profile_shrink.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/slice.h"
#include <errno.h>
#include <stdlib.h>

#define FLAG(x)  ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_##x)
#define ANY      "<any>"
#define HOUR_NS  (3600 * (int64_t)PW_NS_PER_S)
#define TEXT_MAX ((size_t)16 << 10)

/* How many files of one folder become one, by level. */
static const size_t siblings[PROFILE_SHRINK_LEVELS] = {SIZE_MAX, SIZE_MAX, 64, 8};

static struct pw_slice bin(ProtobufCBinaryData b)
{
	return pw_slice_of(b.data, b.len);
}

/* With the slash at its end; empty when there is none. */
static struct pw_slice folder_of(const Podward__V1__Behaviour *b)
{
	struct pw_slice s = bin(b->object);

	while (s.len > 0 && s.ptr[s.len - 1] != '/')
		s.len--;
	return s;
}

static bool is_file(Podward__V1__Dimension d)
{
	return d == PODWARD__V1__DIMENSION__DIMENSION_FILE_READ ||
	       d == PODWARD__V1__DIMENSION__DIMENSION_FILE_WRITE ||
	       d == PODWARD__V1__DIMENSION__DIMENSION_FILE_CREATE ||
	       d == PODWARD__V1__DIMENSION__DIMENSION_FILE_DELETE;
}

/* Folders where every name has a meaning of its own. */
static bool is_precious(struct pw_slice object)
{
	static const char *const starts[] = {"/etc/", "/root/", "/proc/", "/sys/", "/dev/",
		"/boot/", "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/run/", "/var/run/"};
	static const char *const parts[] = {"/.ssh/", "/.aws/", "/.kube/", "secret", "token",
		"passw", "credential", "key", "shadow"};

	for (size_t i = 0; i < PW_COUNT(starts); i++)
		if (pw_slice_starts(object, pw_slice_str(starts[i])))
			return true;
	for (size_t i = 0; i < PW_COUNT(parts); i++)
		if (pw_slice_find(object, pw_slice_str(parts[i])) >= 0)
			return true;
	return false;
}

static bool may_join(const Podward__V1__Behaviour *b)
{
	struct pw_slice object = bin(b->object);

	return is_file(b->dimension) && (b->flags & ~(FLAG(STARTUP) | FLAG(STEADY))) == 0 &&
	       b->n_versions == 0 && folder_of(b).len > 1 && object.len + b->actor.len < TEXT_MAX &&
	       pw_slice_find_byte(object, '<') < 0 && !is_precious(object);
}

static int compare_bytes(struct pw_slice a, struct pw_slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

/* By what may become one. */
static int compare_places(const Podward__V1__Behaviour *a, const Podward__V1__Behaviour *b)
{
	int r = (a->dimension > b->dimension) - (a->dimension < b->dimension);

	if (r == 0)
		r = compare_bytes(bin(a->actor), bin(b->actor));
	return r != 0 ? r : compare_bytes(folder_of(a), folder_of(b));
}

static int compare(const void *a, const void *b)
{
	const Podward__V1__Behaviour *const *x = a, *const *y = b;
	int r = compare_places(*x, *y);

	return r != 0 ? r : compare_bytes(bin((*x)->object), bin((*y)->object));
}

/* Containers are hashes, which do not compress; a time to the hour does. */
static Podward__V1__Behaviour *without_evidence(const Podward__V1__Behaviour *b, struct pw_arena *a)
{
	Podward__V1__Behaviour *small = pw_arena_alloc(a, sizeof(*small));

	if (!small)
		return NULL;
	*small = *b;
	small->containers = NULL;
	small->n_containers = 0;
	small->first_wall_ns -= small->first_wall_ns % HOUR_NS;
	return small;
}

static uint64_t key_of(const Podward__V1__Behaviour *b)
{
	uint8_t text[TEXT_MAX + 64];
	size_t len = 0;

	text[len++] = (uint8_t)b->dimension;
	if (b->actor.len > 0)
		memcpy(text + len, b->actor.data, b->actor.len);
	len += b->actor.len;
	text[len++] = 0;
	memcpy(text + len, b->object.data, b->object.len);
	return pw_hash64(pw_slice_of(text, len + b->object.len), 0);
}

static Podward__V1__Behaviour *join(
	Podward__V1__Behaviour *const *run, size_t count, struct pw_arena *a)
{
	struct pw_slice folder = folder_of(run[0]);
	Podward__V1__Behaviour *t = without_evidence(run[0], a);
	size_t len = folder.len + sizeof(ANY) - 1;
	uint8_t *object = pw_arena_alloc(a, len);

	if (!t || !object)
		return NULL;
	memcpy(object, folder.ptr, folder.len);
	memcpy(object + folder.len, ANY, sizeof(ANY) - 1);
	t->object = (ProtobufCBinaryData){len, object};
	t->key = key_of(t);
	t->names = (uint32_t)(count < UINT32_MAX ? count : UINT32_MAX);
	for (size_t i = 0; i < count; i++) {
		t->flags |= run[i]->flags;
		if (run[i]->first_wall_ns < t->first_wall_ns)
			t->first_wall_ns = run[i]->first_wall_ns;
	}
	t->flags |= FLAG(TEMPLATE);
	return t;
}

/* Runs of one place become one each; list is sorted. */
static int join_runs(Podward__V1__Behaviour **list, size_t count, size_t least, struct pw_arena *a,
	Podward__V1__ProfileDelta *out, size_t *generalised)
{
	size_t from = 0, to;

	for (; from < count; from = to) {
		to = from + 1;
		while (to < count && compare_places(list[from], list[to]) == 0)
			to++;
		if (to - from < least) {
			for (size_t i = from; i < to; i++)
				out->behaviours[out->n_behaviours++] = list[i];
			continue;
		}
		out->behaviours[out->n_behaviours] = join(list + from, to - from, a);
		if (!out->behaviours[out->n_behaviours++])
			return -ENOMEM;
		*generalised += to - from;
	}
	return 0;
}

int profile_shrink(const Podward__V1__ProfileDelta *whole, unsigned level, struct pw_arena *a,
	Podward__V1__ProfileDelta *ret, size_t *ret_generalised)
{
	Podward__V1__Behaviour **list;
	size_t count = 0;

	*ret = *whole;
	*ret_generalised = 0;
	if (level == 0)
		return 0;
	list = pw_arena_alloc0(a, whole->n_behaviours + 1, sizeof(Podward__V1__Behaviour *));
	ret->behaviours =
		pw_arena_alloc0(a, whole->n_behaviours + 1, sizeof(Podward__V1__Behaviour *));
	ret->n_behaviours = 0;
	if (!list || !ret->behaviours)
		return -ENOMEM;
	for (size_t i = 0; i < whole->n_behaviours; i++) {
		Podward__V1__Behaviour *b = without_evidence(whole->behaviours[i], a);

		if (!b)
			return -ENOMEM;
		if (may_join(b))
			list[count++] = b;
		else
			ret->behaviours[ret->n_behaviours++] = b;
	}
	qsort(list, count, sizeof(Podward__V1__Behaviour *), compare);
	return join_runs(list, count, siblings[level < PROFILE_SHRINK_LEVELS ? level : 3], a, ret,
		ret_generalised);
}
