// SPDX-License-Identifier: Apache-2.0
/* Profiles that are too large: what gives way, and what never does. */
#include "fixture.h"

#include "common/testing/oom.h"
#include "policysync/profile_shrink.h"
#include <stdio.h>

#define ROWS   200
#define STEADY ((uint32_t)PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_STEADY)

struct profile {
	Podward__V1__ProfileDelta whole;
	Podward__V1__ProfileState state;
	Podward__V1__Behaviour rows[ROWS], *list[ROWS];
	char objects[ROWS][64];
	uint32_t containers[1];
};

static Podward__V1__Behaviour *add(
	struct profile *p, Podward__V1__Dimension dimension, const char *actor, const char *object)
{
	size_t n = p->whole.n_behaviours++;
	Podward__V1__Behaviour *b = &p->rows[n];

	assert_true(n < ROWS);
	podward__v1__behaviour__init(b);
	(void)snprintf(p->objects[n], sizeof(p->objects[n]), "%s", object);
	b->dimension = dimension;
	b->key = n;
	b->actor = (ProtobufCBinaryData){strlen(actor), (uint8_t *)(uintptr_t)actor};
	b->object = (ProtobufCBinaryData){strlen(p->objects[n]), (uint8_t *)p->objects[n]};
	b->flags = STEADY;
	b->first_wall_ns = 7300 * (int64_t)1000000000;
	b->containers = p->containers;
	b->n_containers = 1;
	p->list[n] = b;
	return b;
}

static void add_many(struct profile *p, const char *folder, size_t count)
{
	char object[64];

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(object, sizeof(object), "%sf%03zu", folder, i);
		(void)add(p, PODWARD__V1__DIMENSION__DIMENSION_FILE_READ, "/app", object);
	}
}

static void init(struct profile *p)
{
	memset(p, 0, sizeof(*p));
	podward__v1__profile_delta__init(&p->whole);
	podward__v1__profile_state__init(&p->state);
	p->whole.state = &p->state;
	p->whole.behaviours = p->list;
}

static bool has(const Podward__V1__ProfileDelta *d, const char *object)
{
	for (size_t i = 0; i < d->n_behaviours; i++)
		if (pw_slice_eq_str(pw_slice_of(d->behaviours[i]->object.data,
					    d->behaviours[i]->object.len),
			    object))
			return true;
	return false;
}

static void level_by_level_more_gives_way(void **state)
{
	static const struct {
		size_t behaviours, generalised;
	} want[PROFILE_SHRINK_LEVELS] = {{101, 0}, {101, 0}, {22, 80}, {3, 100}};
	static struct profile p;
	struct pw_arena *a = NULL;
	Podward__V1__ProfileDelta small;
	size_t generalised;

	(void)state;
	init(&p);
	add_many(&p, "/opt/cache/", 80);
	add_many(&p, "/opt/few/", 20);
	(void)add(&p, PODWARD__V1__DIMENSION__DIMENSION_EXEC, "/bin/sh", "/opt/cache/run");
	assert_int_equal(pw_arena_new(4096, 1 << 20, &a), 0);
	for (unsigned level = 0; level < PROFILE_SHRINK_LEVELS; level++) {
		assert_int_equal(profile_shrink(&p.whole, level, a, &small, &generalised), 0);
		assert_int_equal(small.n_behaviours, want[level].behaviours);
		assert_int_equal(generalised, want[level].generalised);
		assert_int_equal(has(&small, "/opt/cache/<any>"), level >= 2);
		assert_int_equal(has(&small, "/opt/few/<any>"), level >= 3);
		assert_true(has(&small, "/opt/cache/run"));
		assert_int_equal(small.behaviours[0]->n_containers, level == 0);
		assert_ptr_equal(small.state, &p.state);
	}
	assert_int_equal(p.rows[0].n_containers, 1);
	pw_arena_free(a);
}

static void what_a_template_must_not_stand_for_stays(void **state)
{
	static const struct {
		const char *folder;
		uint32_t flags;
		bool has_version;
		Podward__V1__Dimension dimension;
	} rows[] = {
		{"/etc/app/", STEADY, false, PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
		{"/root/x/", STEADY, false, PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
		{"/srv/secrets/", STEADY, false, PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
		{"/home/u/.ssh/", STEADY, false, PODWARD__V1__DIMENSION__DIMENSION_FILE_WRITE},
		{"/opt/a/", PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_REMOVED, false,
			PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
		{"/opt/a/", PODWARD__V1__BEHAVIOUR_FLAG__BEHAVIOUR_FLAG_CANDIDATE, false,
			PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
		{"/opt/a/", STEADY, true, PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
		{"/opt/a/", STEADY, false, PODWARD__V1__DIMENSION__DIMENSION_EXEC},
		{"/", STEADY, false, PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
		{"<x>/", STEADY, false, PODWARD__V1__DIMENSION__DIMENSION_FILE_READ},
	};
	static struct profile p;
	uint64_t version = 7;

	(void)state;
	for (size_t r = 0; r < PW_COUNT(rows); r++) {
		struct pw_arena *a = NULL;
		Podward__V1__ProfileDelta small;
		size_t generalised;

		init(&p);
		add_many(&p, rows[r].folder, 100);
		for (size_t i = 0; i < 100; i++) {
			p.rows[i].flags = rows[r].flags;
			p.rows[i].dimension = rows[r].dimension;
			p.rows[i].versions = &version;
			p.rows[i].n_versions = rows[r].has_version;
		}
		assert_int_equal(pw_arena_new(4096, 1 << 20, &a), 0);
		assert_int_equal(profile_shrink(&p.whole, 3, a, &small, &generalised), 0);
		if (generalised != 0 || small.n_behaviours != 100)
			fail_msg("row %zu: %zu generalised", r, generalised);
		pw_arena_free(a);
	}
}

static int shrink_once(void *ctx)
{
	struct pw_arena *a = NULL;
	Podward__V1__ProfileDelta small;
	size_t generalised;
	int r = pw_arena_new(256, 1 << 20, &a);

	if (r == 0)
		r = profile_shrink(ctx, 3, a, &small, &generalised);
	pw_arena_free(a);
	return r;
}

static void running_out_of_memory_is_an_error(void **state)
{
	static struct profile p;

	(void)state;
	init(&p);
	add_many(&p, "/opt/cache/", 100);
	assert_true(pw_oom_loop(shrink_once, &p.whole) > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(level_by_level_more_gives_way),
		cmocka_unit_test(what_a_template_must_not_stand_for_stays),
		cmocka_unit_test(running_out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
