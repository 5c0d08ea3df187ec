/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kube/known.h"

#include "common/base/map.h"

#include <errno.h>

#define KEY_MAX ((size_t)320) /* a namespace, a slash, a name */

struct object {
	UT_hash_handle hh;
	uint64_t list; /* number of the list that named it last */
	char uid[64];
	char version[32];
	char key[];
};

struct pw_known {
	struct object *objects;
	size_t limit;
	uint64_t list;
};

int pw_known_new(size_t limit, struct pw_known **ret)
{
	struct pw_known *k = pw_alloc0(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->limit = limit;
	*ret = k;
	return 0;
}

void pw_known_free(struct pw_known *k)
{
	struct object *o, *tmp;

	if (!k)
		return;
	HASH_ITER (hh, k->objects, o, tmp) {
		HASH_DEL(k->objects, o);
		free(o);
	}
	free(k);
}

static void copy_text(char *out, struct pw_slice text)
{
	if (text.len > 0)
		memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
}

static int add(struct pw_known *k, const struct pw_known_object *from)
{
	struct object *o;

	if (HASH_COUNT(k->objects) >= k->limit)
		return -ENOSPC;
	o = pw_alloc0(1, sizeof(*o) + from->key.len + 1);
	if (!o)
		return -ENOMEM;
	o->list = k->list;
	copy_text(o->uid, from->uid);
	copy_text(o->version, from->version);
	copy_text(o->key, from->key);
	HASH_ADD_KEYPTR(hh, k->objects, o->key, from->key.len, o);
	if (map_has_added(o))
		return PW_KNOWN_NEW;
	free(o);
	return -ENOMEM;
}

int pw_known_put(struct pw_known *k, const struct pw_known_object *from, char old_uid[64])
{
	struct object *o = NULL;
	bool same_uid;

	if (from->key.len == 0 || from->key.len > KEY_MAX || from->uid.len >= sizeof(o->uid) ||
		from->version.len >= sizeof(o->version))
		return -EINVAL;
	HASH_FIND(hh, k->objects, from->key.ptr, from->key.len, o);
	if (!o)
		return add(k, from);
	o->list = k->list;
	same_uid = pw_slice_eq_str(from->uid, o->uid);
	if (same_uid && pw_slice_eq_str(from->version, o->version))
		return PW_KNOWN_SAME;
	memcpy(old_uid, o->uid, sizeof(o->uid));
	copy_text(o->uid, from->uid);
	copy_text(o->version, from->version);
	return same_uid ? PW_KNOWN_NEW : PW_KNOWN_REPLACED;
}

bool pw_known_remove(struct pw_known *k, struct pw_slice key, char old_uid[64])
{
	struct object *o = NULL;

	HASH_FIND(hh, k->objects, key.ptr, key.len, o);
	if (!o)
		return false;
	memcpy(old_uid, o->uid, sizeof(o->uid));
	HASH_DEL(k->objects, o);
	free(o);
	return true;
}

size_t pw_known_count(const struct pw_known *k)
{
	return HASH_COUNT(k->objects);
}

void pw_known_begin(struct pw_known *k)
{
	k->list++;
}

void pw_known_sweep(
	struct pw_known *k, void (*fn)(void *ctx, const char *key, const char *uid), void *ctx)
{
	struct object *o, *tmp;

	HASH_ITER (hh, k->objects, o, tmp) {
		if (o->list == k->list)
			continue;
		HASH_DEL(k->objects, o);
		fn(ctx, o->key, o->uid);
		free(o);
	}
}
