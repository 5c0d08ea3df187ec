/* SPDX-License-Identifier: Apache-2.0 */
/* alloc, err, buf and arena: what everything else is made of. */
#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/testing/cm.h"
#include "common/testing/oom.h"

#include <errno.h>
#include <string.h>

static void sizes_that_overflow_are_refused(void **state)
{
	(void)state;
	assert_null(pw_alloc0(SIZE_MAX / 2, 3));
	assert_null(pw_realloc(NULL, SIZE_MAX, 2));
	assert_null(pw_memdupz("x", SIZE_MAX));
}

static void allocations_of_nothing_are_valid(void **state)
{
	pw_auto_free void *empty = pw_alloc0(0, 8);
	pw_auto_free char *text = pw_memdupz(NULL, 0);

	(void)state;
	assert_non_null(empty);
	assert_string_equal(text, "");
}

static void take_leaves_null_behind(void **state)
{
	pw_auto_free char *a = pw_strdup("a");
	pw_auto_free char *b = PW_TAKE(a);

	(void)state;
	assert_null(a);
	assert_string_equal(b, "a");
}

static void the_first_cause_wins_and_context_goes_in_front(void **state)
{
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	assert_int_equal(pw_err_set(&err, -EINVAL, "bad %s", "thing"), -EINVAL);
	assert_int_equal(pw_err_set(&err, -EIO, "later"), -EIO);
	assert_int_equal(pw_err_wrap(&err, -EINVAL, "read %d", 7), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, "read 7: bad thing");
	assert_int_equal(pw_err_set(NULL, -EIO, "nobody listens"), -EIO);
	pw_err_clear(&err);
	assert_int_equal(pw_err_wrap(&err, -ENOENT, "open"), -ENOENT);
	assert_string_equal(err.msg, "open: No such file or directory");
}

static void a_long_message_is_cut_and_stays_terminated(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)pw_err_set(&err, -EINVAL, "%s", text);
	for (int i = 0; i < 10; i++)
		(void)pw_err_wrap(&err, -EINVAL, "context %d", i);
	assert_true(strlen(err.msg) < sizeof(err.msg));
	assert_memory_equal(err.msg, "context 9: context 8: ", 22);
	(void)pw_err_wrap(&err, -EINVAL, "%s", text);
	assert_true(strlen(err.msg) < sizeof(err.msg));
}

static void every_errno_has_a_text(void **state)
{
	(void)state;
	assert_string_equal(pw_err_text(-ENOMEM), pw_err_text(ENOMEM));
	assert_string_equal(pw_err_text(123456), "unknown error");
}

static void a_buffer_grows_to_its_ceiling_and_errors_stick(void **state)
{
	pw_auto_buf b;

	(void)state;
	pw_buf_init(&b, 100);
	assert_string_equal(pw_buf_text(&b), "");
	assert_int_equal(pw_buf_addf(&b, "%090d", 1), 0);
	assert_int_equal(pw_buf_add_str(&b, "0123456789"), 0);
	assert_int_equal(b.len, 100);
	assert_int_equal(pw_buf_add_byte(&b, 'x'), -E2BIG);
	assert_int_equal(pw_buf_add(&b, NULL, 0), -E2BIG);
	assert_null(pw_buf_extend(&b, 1));
	assert_int_equal(pw_buf_error(&b), -E2BIG);
	assert_int_equal(b.len, 100);
	pw_buf_clear(&b);
	assert_int_equal(pw_buf_add_slice(&b, PW_SLICE_LIT("ab")), 0);
	assert_string_equal(pw_buf_text(&b), "ab");
}

static void extended_room_is_zeroed_even_after_a_clear(void **state)
{
	pw_auto_buf b;
	uint8_t *room;

	(void)state;
	pw_buf_init(&b, 64);
	(void)pw_buf_add_str(&b, "old bytes");
	pw_buf_clear(&b);
	room = pw_buf_extend(&b, 4);
	assert_memory_equal(room, "\0\0\0\0\0", 5);
}

static void taken_memory_belongs_to_the_caller(void **state)
{
	pw_auto_free uint8_t *data = NULL;
	pw_auto_buf b;
	size_t len;

	(void)state;
	pw_buf_init(&b, 64);
	assert_null(pw_buf_take(&b, &len));
	(void)pw_buf_add_str(&b, "abc");
	data = pw_buf_take(&b, &len);
	assert_int_equal(len, 3);
	assert_string_equal((char *)data, "abc");
	assert_int_equal(b.len, 0);
	assert_int_equal(pw_buf_add_str(&b, "again"), 0);
}

static void an_arena_refuses_past_its_ceiling_and_counts(void **state)
{
	struct pw_arena *a;

	(void)state;
	assert_int_equal(pw_arena_new(256, 1024, &a), 0);
	for (int i = 0; i < 4; i++)
		assert_non_null(pw_arena_alloc(a, 256));
	assert_null(pw_arena_alloc(a, 1));
	assert_null(pw_arena_alloc(a, SIZE_MAX));
	assert_null(pw_arena_alloc0(a, SIZE_MAX, 2));
	assert_int_equal(pw_arena_refused(a), 3);
	assert_int_equal(pw_arena_used(a), 1024);
	pw_arena_reset(a);
	assert_int_equal(pw_arena_used(a), 0);
	assert_non_null(pw_arena_alloc(a, 700));
	pw_arena_free(a);
}

static void arena_memory_is_aligned_and_does_not_overlap(void **state)
{
	struct pw_arena *a;
	uint8_t *before = NULL;

	(void)state;
	assert_int_equal(pw_arena_new(4096, 65536, &a), 0);
	for (size_t i = 0; i < 100; i++) {
		uint8_t *p = pw_arena_alloc0(a, 1, i);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		memset(p, 0xff, i);
		assert_ptr_not_equal(p, before);
		before = p;
	}
	pw_arena_free(a);
}

static void an_arena_copy_has_a_nul_behind_it(void **state)
{
	struct pw_arena *a;
	struct pw_slice s;

	(void)state;
	assert_int_equal(pw_arena_new(64, 128, &a), 0);
	s = pw_arena_dup(a, PW_SLICE_LIT("a\0b"));
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.ptr, "a\0b\0", 4);
	s = pw_arena_dup(a, pw_slice_of(NULL, 0));
	assert_string_equal((const char *)s.ptr, "");
	s = pw_arena_dup(a, pw_slice_of("x", 200));
	assert_null(s.ptr);
	pw_arena_free(a);
	pw_arena_free(NULL);
}

static int use_memory(void *ctx)
{
	pw_auto_buf b;
	struct pw_arena *a;
	int r = pw_arena_new(64, 4096, &a);

	(void)ctx;
	pw_buf_init(&b, 4096);
	if (r < 0)
		return r;
	for (int i = 0; i < 10; i++) {
		if (!pw_arena_alloc(a, 100))
			r = -ENOMEM;
		(void)pw_buf_addf(&b, "%0100d", i);
	}
	pw_arena_free(a);
	return r < 0 ? r : pw_buf_error(&b);
}

static void running_out_of_memory_is_an_ordinary_error(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(use_memory, NULL) >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_overflow_are_refused),
		cmocka_unit_test(allocations_of_nothing_are_valid),
		cmocka_unit_test(take_leaves_null_behind),
		cmocka_unit_test(the_first_cause_wins_and_context_goes_in_front),
		cmocka_unit_test(a_long_message_is_cut_and_stays_terminated),
		cmocka_unit_test(every_errno_has_a_text),
		cmocka_unit_test(a_buffer_grows_to_its_ceiling_and_errors_stick),
		cmocka_unit_test(extended_room_is_zeroed_even_after_a_clear),
		cmocka_unit_test(taken_memory_belongs_to_the_caller),
		cmocka_unit_test(an_arena_refuses_past_its_ceiling_and_counts),
		cmocka_unit_test(arena_memory_is_aligned_and_does_not_overlap),
		cmocka_unit_test(an_arena_copy_has_a_nul_behind_it),
		cmocka_unit_test(running_out_of_memory_is_an_ordinary_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
