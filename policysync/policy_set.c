// SPDX-License-Identifier: Apache-2.0
#include "policysync/policy_set.h"
#include "common/base/hash.h"
#include "common/wire/arena_alloc.h"
#include <errno.h>

/* Unpacked messages take a few times their packed size. */
#define ARENA_BYTES (POLICY_SET_BYTES * 16)

struct policy_set {
	struct pw_arena *arena;
	Podward__V1__PolicySnapshot message;
	char revision[33];
	size_t object_count;
	struct policy_problem *problems;
	size_t problem_count;
};

static int compare_objects(const void *a, const void *b)
{
	const struct crd_object *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

/* Kind and length are mixed in beside the content: a policy is never taken for an exclusion. */
static void hash_objects(const struct crd_object *const *objects, size_t count, char out[33])
{
	struct pw_hash128 sum = {0, 0};

	for (size_t i = 0; i < count; i++) {
		struct pw_hash128 h = pw_hash128(objects[i]->packed, 0);

		sum.high = pw_hash_mix(pw_hash_mix(sum.high, (uint64_t)objects[i]->kind), h.high);
		sum.low = pw_hash_mix(pw_hash_mix(sum.low, objects[i]->packed.len), h.low);
	}
	pw_hash128_hex(sum, out);
}

static int add_object(struct policy_set *s, const struct crd_object *o)
{
	Podward__V1__PolicySnapshot *m = &s->message;
	void *unpacked;

	switch (o->kind) {
	case CRD_RUNTIME_POLICY:
	case CRD_CLUSTER_RUNTIME_POLICY:
		unpacked = pw_unpack(s->arena, &podward__v1__policy__descriptor, o->packed);
		m->policies[m->n_policies] = unpacked;
		m->n_policies += unpacked != NULL;
		break;
	case CRD_RUNTIME_EXCLUSION:
	case CRD_CLUSTER_RUNTIME_EXCLUSION:
		unpacked = pw_unpack(s->arena, &podward__v1__exclusion__descriptor, o->packed);
		m->exclusions[m->n_exclusions] = unpacked;
		m->n_exclusions += unpacked != NULL;
		break;
	default:
		unpacked = pw_unpack(s->arena, &podward__v1__signature_set__descriptor, o->packed);
		m->signature_sets[m->n_signature_sets] = unpacked;
		m->n_signature_sets += unpacked != NULL;
		break;
	}
	return unpacked ? 0 : -ENOMEM;
}

static int fill(struct policy_set *s, const struct crd_object *const *objects, size_t count)
{
	Podward__V1__PolicySnapshot *m = &s->message;
	size_t bytes = (count + 1) * sizeof(void *);
	int r = 0;

	m->policies = pw_arena_alloc0(s->arena, 1, bytes);
	m->exclusions = pw_arena_alloc0(s->arena, 1, bytes);
	m->signature_sets = pw_arena_alloc0(s->arena, 1, bytes);
	if (!m->policies || !m->exclusions || !m->signature_sets)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_object(s, objects[i]);
	return r;
}

static int check_ceilings(const struct crd_object *const *objects, size_t count, struct pw_err *err)
{
	size_t bytes = 0;

	if (count > POLICY_SET_OBJECTS)
		return pw_err_set(err, -E2BIG, "%zu policy objects, at most %zu are allowed", count,
			POLICY_SET_OBJECTS);
	for (size_t i = 0; i < count; i++)
		bytes += objects[i]->packed.len + 8;
	if (bytes > POLICY_SET_BYTES)
		return pw_err_set(err, -E2BIG,
			"all policy objects together take %zu bytes, at most %zu are allowed",
			bytes, POLICY_SET_BYTES);
	return 0;
}

static int build(struct policy_set *s, const struct crd_object **sorted, size_t count)
{
	int r = pw_arena_new(64 << 10, ARENA_BYTES, &s->arena);

	if (r < 0)
		return r;
	qsort(sorted, count, sizeof(const struct crd_object *), compare_objects);
	hash_objects(sorted, count, s->revision);
	s->object_count = count;
	return fill(s, sorted, count);
}

int policy_set_new(const struct crd_object *const *objects, size_t count, uint64_t serial,
	struct policy_set **ret, struct pw_err *err)
{
	pw_cleanup(policy_set_freep) struct policy_set *s = NULL;
	const struct crd_object **sorted;
	int r = check_ceilings(objects, count, err);

	if (r < 0)
		return r;
	s = pw_alloc0(1, sizeof(*s));
	sorted = pw_alloc0(count + 1, sizeof(*sorted));
	if (!s || !sorted) {
		free((void *)sorted);
		return pw_err_set(err, -ENOMEM, "out of memory");
	}
	podward__v1__policy_snapshot__init(&s->message);
	if (count > 0)
		memcpy((void *)sorted, (const void *)objects, count * sizeof(*sorted));
	r = build(s, sorted, count);
	free((void *)sorted);
	if (r < 0)
		return pw_err_set(err, r, "out of memory");
	s->message.serial = serial;
	s->message.revision.data = (uint8_t *)s->revision;
	s->message.revision.len = strlen(s->revision);
	*ret = PW_TAKE(s);
	return 0;
}

int policy_set_add_problems(
	struct policy_set *s, const struct policy_problem *problems, size_t count)
{
	if (count > POLICY_SET_PROBLEMS)
		count = POLICY_SET_PROBLEMS;
	if (count == 0)
		return 0;
	s->problems = pw_alloc0(count, sizeof(*s->problems));
	if (!s->problems)
		return -ENOMEM;
	memcpy(s->problems, problems, count * sizeof(*problems));
	s->problem_count = count;
	return 0;
}

void policy_set_free(struct policy_set *s)
{
	if (!s)
		return;
	pw_arena_free(s->arena);
	free(s->problems);
	free(s);
}

const Podward__V1__PolicySnapshot *policy_set_message(const struct policy_set *s)
{
	return &s->message;
}

const char *policy_set_revision(const struct policy_set *s)
{
	return s->revision;
}

uint64_t policy_set_serial(const struct policy_set *s)
{
	return s->message.serial;
}

size_t policy_set_object_count(const struct policy_set *s)
{
	return s->object_count;
}

const struct policy_problem *policy_set_problems(const struct policy_set *s, size_t *ret_count)
{
	*ret_count = s->problem_count;
	return s->problems;
}
