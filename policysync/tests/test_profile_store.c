// SPDX-License-Identifier: Apache-2.0
#include "fixture.h"

#include "common/base/random.h"
#include "common/base/hash.h"
#include "policysync/placement.h"
#include "policysync/profile_store.h"

struct fixture {
	struct folder folder;
	struct store *store;
	struct profile_store *profiles;
	struct pw_arena *arena;
	struct pw_err err;
};

static void open_store(struct fixture *f)
{
	assert_int_equal(store_open(f->folder.path, &f->store, &f->err), 0);
	assert_int_equal(profile_store_new(f->store, &f->profiles, &f->err), 0);
}

static void close_store(struct fixture *f)
{
	profile_store_free(f->profiles);
	store_close(f->store);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	folder_make(&f->folder);
	open_store(f);
	assert_int_equal(pw_arena_new(1 << 16, 16 << 20, &f->arena), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	close_store(f);
	pw_arena_free(f->arena);
	folder_remove(&f->folder);
	free(f);
	return 0;
}

struct part {
	const char *group;
	uint64_t generation;
	Podward__V1__ProfilePhase phase;
	int64_t started;
	uint64_t lost;
	const char *partial;
	uint64_t first_key;
	size_t keys;
	int64_t first_wall;
	uint32_t flags;
};

static void merge(struct fixture *f, const struct part *p)
{
	Podward__V1__ProfileState s = PODWARD__V1__PROFILE_STATE__INIT;
	Podward__V1__ProfileDelta d = PODWARD__V1__PROFILE_DELTA__INIT;
	Podward__V1__Behaviour *rows = calloc(p->keys + 1, sizeof(*rows));
	Podward__V1__Behaviour **list = calloc(p->keys + 1, sizeof(*list));

	assert_non_null(rows);
	assert_non_null(list);
	s.pod_group = text_of(p->group);
	s.generation = p->generation;
	s.phase = p->phase;
	s.learning_started_wall_ns = p->started;
	s.lost_events = p->lost;
	s.partial_reason = text_of(p->partial);
	for (size_t i = 0; i < p->keys; i++) {
		podward__v1__behaviour__init(&rows[i]);
		rows[i].key = p->first_key + i;
		rows[i].dimension = PODWARD__V1__DIMENSION__DIMENSION_EXEC;
		rows[i].actor = text_of("/bin/sh");
		rows[i].object = text_of("/bin/ls");
		rows[i].first_wall_ns = p->first_wall;
		rows[i].flags = p->flags;
		list[i] = &rows[i];
	}
	d.state = &s;
	d.behaviours = list;
	d.n_behaviours = p->keys;
	assert_int_equal(store_begin(f->store, &f->err), 0);
	assert_int_equal(profile_store_merge(f->profiles, &d, &f->err), 0);
	assert_int_equal(store_commit(f->store, &f->err), 0);
	free(rows);
	free((void *)list);
}

static int64_t query(struct fixture *f, const char *sql)
{
	int64_t value = -1;

	assert_int_equal(store_query_i64(f->store, sql, -1, &value, &f->err), 0);
	return value;
}

#define COLLECTING PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_COLLECTING
#define PROTECTED  PODWARD__V1__PROFILE_PHASE__PROFILE_PHASE_PROTECTED

static void the_highest_generation_wins_and_losses_only_grow(void **state)
{
	struct fixture *f = *state;

	merge(f, &(struct part){"g", 2, PROTECTED, 50, 7, "lost", 1, 1, 5, 1});
	merge(f, &(struct part){"g", 1, COLLECTING, 10, 9, "", 1, 1, 9, 2});
	assert_int_equal(query(f, "SELECT phase FROM profiles"), PROTECTED);
	assert_int_equal(query(f, "SELECT learning_started FROM profiles"), 50);
	assert_int_equal(query(f, "SELECT lost FROM profiles"), 9);
	assert_int_equal(query(f, "SELECT flags FROM behaviours"), 3);
	assert_int_equal(query(f, "SELECT first_wall FROM behaviours"), 5);
	merge(f, &(struct part){"g", 3, COLLECTING, 60, 1, "", 1, 0, 0, 0});
	assert_int_equal(query(f, "SELECT phase FROM profiles"), COLLECTING);
	assert_int_equal(query(f, "SELECT length(partial_reason) FROM profiles"), 0);
	assert_int_equal(query(f, "SELECT generation FROM profiles"), 3);
	assert_int_equal(query(f, "SELECT entries FROM profiles"), 1);
}

/* Property: parts in any order and any number of times give the same profile. */
static void the_order_of_parts_does_not_matter(void **state)
{
	static const struct part parts[] = {
		{"g", 1, COLLECTING, 10, 1, "", 1, 20, 100, 1},
		{"g", 1, COLLECTING, 8, 0, "x", 10, 20, 90, 2},
		{"g", 2, PROTECTED, 30, 2, "", 5, 3, 120, 2},
		{"g", 2, PROTECTED, 31, 0, "y", UINT64_MAX - 2, 3, 80, 4},
	};
	struct fixture *f = *state;

	for (int turn = 0; turn < 30; turn++) {
		bool sent[PW_COUNT(parts)] = {false};

		assert_int_equal(store_exec(f->store,
					 "DELETE FROM profiles; DELETE FROM behaviours", &f->err),
			0);
		assert_int_equal(profile_store_reload(f->profiles, &f->err), 0);
		while (!(sent[0] && sent[1] && sent[2] && sent[3])) {
			size_t i = pw_random_below(PW_COUNT(parts));

			merge(f, &parts[i]);
			sent[i] = true;
		}
		assert_int_equal(query(f, "SELECT count(*) FROM behaviours"), 32);
		assert_int_equal(query(f, "SELECT entries FROM profiles"), 32);
		assert_int_equal(query(f, "SELECT sum(flags) FROM behaviours"),
			6 * 1 + 3 * 3 + 11 * 3 + 9 * 2 + 3 * 4);
		assert_int_equal(query(f, "SELECT sum(first_wall) FROM behaviours"),
			9 * 100 + 20 * 90 + 3 * 80);
		assert_int_equal(query(f, "SELECT learning_started FROM profiles"), 30);
		assert_int_equal(query(f, "SELECT lost FROM profiles"), 2);
		assert_int_equal(query(f, "SELECT partial_reason = x'79' FROM profiles"), 1);
	}
}

static size_t read_all(struct fixture *f, const struct profile_filter *filter, size_t *pages)
{
	struct profile_cursor cursor = {0};
	Podward__V1__ProfileDelta *delta = NULL;
	size_t rows = 0;
	int r;

	*pages = 0;
	while ((r = profile_store_read(f->profiles, &cursor, filter, f->arena, &delta, &f->err)) ==
		1) {
		assert_true(podward__v1__profile_delta__get_packed_size(delta) < 512 << 10);
		assert_true(delta->n_behaviours <= PROFILE_PAGE_ROWS);
		rows += delta->n_behaviours;
		(*pages)++;
		pw_arena_reset(f->arena);
	}
	assert_int_equal(r, 0);
	return rows;
}

static void everything_is_read_in_pages_once(void **state)
{
	static const ProtobufCBinaryData wanted[] = {{1, (uint8_t *)"b"}};
	const struct profile_filter all = {.groups = NULL}, one = {.groups = wanted, .count = 1};
	uint8_t slots[PW_SLOT_BYTES] = {0};
	const struct profile_filter of_slots = {.slots = slots};
	uint32_t slot = pw_slot_of(pw_hash64(PW_SLICE_LIT("b"), 0));
	struct fixture *f = *state;
	size_t pages = 0;

	pw_slots_add(slots, slot);
	merge(f, &(struct part){"a", 1, COLLECTING, 1, 0, "", 1, 1024, 1, 1});
	merge(f, &(struct part){"a", 1, COLLECTING, 1, 0, "", 1u << 20, 1024, 1, 1});
	merge(f, &(struct part){"a", 1, COLLECTING, 1, 0, "", UINT64_MAX - 99, 100, 1, 1});
	merge(f, &(struct part){"b", 1, COLLECTING, 1, 0, "", 1, 1024, 1, 1});
	merge(f, &(struct part){"c", 1, COLLECTING, 1, 0, "", 1, 0, 1, 1});
	assert_int_equal(read_all(f, &all, &pages), 2148 + 1024);
	assert_int_equal(pages, 5);
	assert_int_equal(read_all(f, &one, &pages), 1024);
	assert_int_equal(pages, 1);
	assert_int_equal(read_all(f, &of_slots, &pages), 1024);
	assert_int_equal(pages, 1);
	close_store(f);
	open_store(f);
	assert_int_equal(read_all(f, &all, &pages), 2148 + 1024);
}

static void figures_follow_a_rollback(void **state)
{
	struct fixture *f = *state;
	struct profile_stats stats;

	merge(f, &(struct part){"a", 1, COLLECTING, 1, 0, "", 1, 10, 1, 1});
	profile_store_get_stats(f->profiles, &stats);
	assert_int_equal(stats.groups, 1);
	assert_int_equal(stats.behaviours, 10);
	assert_int_equal(store_exec(f->store, "DELETE FROM profiles", &f->err), 0);
	assert_int_equal(profile_store_reload(f->profiles, &f->err), 0);
	profile_store_get_stats(f->profiles, &stats);
	assert_int_equal(stats.groups, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_highest_generation_wins_and_losses_only_grow),
		T(the_order_of_parts_does_not_matter),
		T(everything_is_read_in_pages_once),
		T(figures_follow_a_rollback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
