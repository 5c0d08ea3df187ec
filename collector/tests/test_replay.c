/* SPDX-License-Identifier: Apache-2.0 */
/* Recording and replay: what went in comes out, byte for byte; a damaged file is refused with its
 * place. */
#include "collector/record.h"
#include "collector/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "collector/pwrec.h"
#include "common/base/buf.h"
#include "common/testing/oom.h"

/* A source out of thin air: count records of different sizes, filled with a pattern. */
struct fake {
	struct source source;
	unsigned next, count;
	bool closed;
};

static uint32_t fake_size(unsigned i)
{
	static const uint32_t sizes[] = {56, 80, 120, 512, 4096, ABI_RECORD_MAX, 200, 64};

	return sizes[i % PW_COUNT(sizes)];
}

static void fake_record(unsigned i, void *out)
{
	struct abi_header *h = out;

	memset(out, (int)(i & 0xff), fake_size(i));
	h->size = fake_size(i);
	h->kind = (uint16_t)(1 + i % (ABI_KIND_COUNT - 1));
	h->boot_ns = 1000 + i;
}

static int fake_consume(
	struct source *s, unsigned max, source_record_fn fn, void *ctx, struct pw_err *err)
{
	struct fake *f = (struct fake *)(void *)s;
	_Alignas(8) static uint8_t record[ABI_RECORD_MAX];
	unsigned given = 0;

	(void)err;
	while (f->next < f->count && (max == 0 || given < max)) {
		unsigned i = f->next++;

		fake_record(i, record);
		given++;
		if (fn(ctx, record, fake_size(i)))
			break;
	}
	return given || f->next < f->count ? (int)given : -ENODATA;
}

static int fake_fd(const struct source *s)
{
	(void)s;
	return 42;
}

static int fake_stats(struct source *s, struct source_stats *ret)
{
	*ret = (struct source_stats){.delivered = ((struct fake *)(void *)s)->next};
	return 0;
}

static void fake_info(const struct source *s, struct source_info *ret)
{
	(void)s;
	*ret = (struct source_info){.name = "fake",
		.abi_version = ABI_VERSION,
		.boot_to_wall_ns = 1234567890123456789,
		.boot_id = "01234567-89ab-cdef-0123-456789abcdef"};
}

static void fake_close(struct source *s)
{
	((struct fake *)(void *)s)->closed = true;
}

static const struct source_ops fake_ops = {
	"fake", fake_fd, fake_consume, fake_stats, fake_info, fake_close};

static char dir[64];
static char path_a[128], path_b[128];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/podward-replay.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path_a, sizeof(path_a), "%s/a.pwrec", dir);
	(void)snprintf(path_b, sizeof(path_b), "%s/b.pwrec", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path_a);
	(void)unlink(path_b);
	return rmdir(dir);
}

static int count_record(void *ctx, const void *record, size_t len)
{
	(void)record;
	(void)len;
	++*(unsigned *)ctx;
	return 0;
}

static int check_record(void *ctx, const void *record, size_t len)
{
	_Alignas(8) static uint8_t want[ABI_RECORD_MAX];
	unsigned *i = ctx;

	assert_int_equal((uintptr_t)record % 8, 0);
	assert_int_equal(len, fake_size(*i));
	fake_record(*i, want);
	assert_memory_equal(record, want, len);
	++*i;
	return 0;
}

static int drain(
	struct source *s, unsigned step, source_record_fn fn, void *ctx, struct pw_err *err)
{
	int n;

	do
		n = source_consume(s, step, fn, ctx, err);
	while (n > 0);
	return n;
}

/* Writes count records to path through a recorder; returns how many are missing in the file. */
static uint64_t make_recording(const char *path, unsigned count, uint64_t limit)
{
	struct fake fake = {.source = {&fake_ops}, .count = count};
	struct pw_err err = PW_ERR_INIT;
	struct source *s = NULL;
	unsigned seen = 0;
	uint64_t missing;

	assert_int_equal(record_open(path, limit, &fake.source, &s, &err), 0);
	assert_int_equal(source_fd(s), 42);
	assert_int_equal(drain(s, 7, check_record, &seen, &err), -ENODATA);
	assert_int_equal(seen, count);
	missing = record_missing(s);
	assert_int_equal(record_written(s) + missing, count);
	source_close(s);
	assert_true(fake.closed);
	return missing;
}

static void slurp(const char *path, struct pw_buf *out)
{
	FILE *f = fopen(path, "re");
	char block[4096];
	size_t n;

	assert_non_null(f);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		assert_int_equal(pw_buf_add(out, block, n), 0);
	(void)fclose(f);
}

static void spill(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void round_trip_is_byte_identical(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct source *in = NULL, *tee = NULL;
	struct source_info info;
	struct source_stats stats;
	unsigned seen = 0;
	pw_auto_buf a, b;

	(void)state;
	pw_buf_init(&a, 64u << 20);
	pw_buf_init(&b, 64u << 20);
	assert_int_equal(make_recording(path_a, 1000, 0), 0);
	assert_int_equal(replay_open(path_a, &in, &err), 0);
	source_info(in, &info);
	assert_false(info.live);
	assert_int_equal(info.boot_to_wall_ns, 1234567890123456789);
	assert_string_equal(info.boot_id, "01234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(record_open(path_b, 0, in, &tee, &err), 0);
	assert_ptr_equal(record_inner(tee), in);
	assert_int_equal(drain(tee, 0, check_record, &seen, &err), -ENODATA);
	assert_int_equal(seen, 1000);
	assert_int_equal(source_stats(tee, &stats), 0);
	assert_int_equal(stats.delivered, 1000);
	source_close(tee);
	slurp(path_a, &a);
	slurp(path_b, &b);
	assert_true(pw_slice_eq(pw_buf_slice(&a), pw_buf_slice(&b)));
}

static int stop_at_three(void *ctx, const void *record, size_t len)
{
	(void)record;
	(void)len;
	return ++*(unsigned *)ctx % 3 == 0;
}

static void consumer_can_stop_and_go_on_without_losing_a_record(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct source *s = NULL;
	unsigned seen = 0;

	(void)state;
	(void)make_recording(path_a, 100, 0);
	assert_int_equal(replay_open(path_a, &s, &err), 0);
	assert_int_equal(source_fd(s), -1);
	for (int i = 0; i < 33; i++)
		assert_int_equal(source_consume(s, 0, stop_at_three, &seen, &err), 3);
	assert_int_equal(source_consume(s, 0, stop_at_three, &seen, &err), 1);
	assert_int_equal(source_consume(s, 0, stop_at_three, &seen, &err), -ENODATA);
	assert_int_equal(seen, 100);
	assert_int_equal(err.code, 0);
	source_close(s);
}

struct damage {
	const char *name;
	size_t at; /* where `value` is written; cut at this length when bytes is 0 */
	size_t bytes;
	uint64_t value;
	unsigned records; /* delivered before it is noticed */
	const char *says;
};

/* Records 0.. are 56, 80, 120 … bytes: frames lie at 64, 128, 216. */
static const struct damage damages[] = {
	{"empty file", 0, 0, 0, 0, "not a .pwrec recording"},
	{"cut in the header", 63, 0, 0, 0, "not a .pwrec recording"},
	{"foreign magic", 0, 1, 'X', 0, "not a .pwrec recording"},
	{"line ends converted", 5, 1, '\n', 0, "not a .pwrec recording"},
	{"later format", 8, 4, 2, 0, "recording version 2, this program reads 1"},
	{"other ABI", 12, 4, 99, 0, "ABI version 99"},
	{"boot id without end", 24, 64, 'x', 0, "offset 24: boot id"},
	{"cut in a frame", 130, 0, 0, 1, "offset 128: file ends inside a frame"},
	{"cut in a record", 300, 0, 0, 2, "offset 216: file ends inside a record"},
	{"length 0", 128, 4, 0, 1, "offset 128: impossible record length"},
	{"length too small", 128, 4, 48, 1, "offset 128: impossible record length"},
	{"length not aligned", 128, 4, 81, 1, "offset 128: impossible record length"},
	{"length too large", 64, 4, ABI_RECORD_MAX + 8, 0, "offset 64: impossible record length"},
	{"length of 4 GiB", 64, 4, 0xfffffff8, 0, "offset 64: impossible record length"},
	{"reserved set", 132, 4, 1, 1, "offset 128: reserved"},
	{"record says another size", 136, 4, 88, 1, "offset 128: record and frame disagree"},
};

static void damaged_files_are_refused_with_their_offset(void **state)
{
	pw_auto_buf whole;

	(void)state;
	pw_buf_init(&whole, 1u << 20);
	(void)make_recording(path_a, 8, 0);
	slurp(path_a, &whole);
	for (size_t i = 0; i < PW_COUNT(damages); i++) {
		const struct damage *d = &damages[i];
		struct pw_err err = PW_ERR_INIT;
		struct source *s = NULL;
		unsigned seen = 0;
		pw_auto_buf copy;
		int r;

		pw_buf_init(&copy, 1u << 20);
		assert_int_equal(pw_buf_add_slice(&copy, pw_buf_slice(&whole)), 0);
		if (d->bytes > 8)
			memset(copy.data + d->at, (int)d->value, 40);
		else
			memcpy(copy.data + d->at, &d->value, d->bytes);
		spill(path_b, copy.data, d->bytes ? copy.len : d->at);
		r = replay_open(path_b, &s, &err);
		if (r == 0)
			r = drain(s, 0, count_record, &seen, &err);
		if (r >= 0 || r == -ENODATA || seen != d->records || !strstr(err.msg, d->says) ||
			!strstr(err.msg, "b.pwrec"))
			fail_msg("%s: %d, %u records, \"%s\"", d->name, r, seen, err.msg);
		source_close(s);
	}
}

static void missing_and_unreadable_files_are_named(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct source *s = NULL;

	(void)state;
	assert_int_equal(replay_open("/nonexistent/\033[31m.pwrec", &s, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/"));
	assert_null(strchr(err.msg, '\033'));
	pw_err_clear(&err);
	assert_int_equal(replay_open(dir, &s, &err), -EISDIR);
	assert_null(s);
}

static void recording_never_overwrites_and_leaves_its_source_alone(void **state)
{
	struct fake fake = {.source = {&fake_ops}, .count = 1};
	struct pw_err err = PW_ERR_INIT;
	struct source *s = NULL;
	struct stat st;

	(void)state;
	(void)make_recording(path_a, 3, 0);
	assert_int_equal(stat(path_a, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(record_open(path_a, 0, &fake.source, &s, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "a.pwrec"));
	assert_null(s);
	assert_false(fake.closed);
}

static void size_limit_ends_the_recording_and_counts_what_is_missing(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	struct source *s = NULL;
	unsigned seen = 0;
	uint64_t missing;
	struct stat st;

	(void)state;
	missing = make_recording(path_a, 200, 100000);
	assert_true(missing > 0 && missing < 200);
	assert_int_equal(stat(path_a, &st), 0);
	assert_true(st.st_size <= 100000);
	assert_int_equal(replay_open(path_a, &s, &err), 0);
	assert_int_equal(drain(s, 0, check_record, &seen, &err), -ENODATA);
	assert_int_equal(seen, 200 - missing);
	source_close(s);
}

static int record_and_replay(void *ctx)
{
	struct fake fake = {.source = {&fake_ops}, .count = 20};
	struct source *s = NULL;
	unsigned seen = 0;
	int r;

	(void)ctx;
	(void)unlink(path_a);
	r = record_open(path_a, 0, &fake.source, &s, NULL);
	if (r < 0)
		return r;
	r = drain(s, 0, count_record, &seen, NULL);
	source_close(s);
	if (r != -ENODATA)
		return r;
	r = replay_open(path_a, &s, NULL);
	if (r < 0)
		return r;
	seen = 0;
	r = drain(s, 0, check_record, &seen, NULL);
	source_close(s);
	return r == -ENODATA && seen == 20 ? 0 : -EIO;
}

static void out_of_memory_leaves_nothing_behind(void **state)
{
	(void)state;
	assert_true(pw_oom_loop(record_and_replay, NULL) >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip_is_byte_identical, setup, teardown),
		cmocka_unit_test_setup_teardown(
			consumer_can_stop_and_go_on_without_losing_a_record, setup, teardown),
		cmocka_unit_test_setup_teardown(
			damaged_files_are_refused_with_their_offset, setup, teardown),
		cmocka_unit_test_setup_teardown(
			missing_and_unreadable_files_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(
			recording_never_overwrites_and_leaves_its_source_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			size_limit_ends_the_recording_and_counts_what_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			out_of_memory_leaves_nothing_behind, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
