/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backlog's file: a collector that ends at any byte of it goes on with the same batches under
 * the same numbers.
 */
#include "collector/backlog.h"
#include "common/base/arena.h"
#include "common/base/hash.h"
#include "common/testing/oom.h"
#include "common/wire/encode.h"
#include "podward/v1/event.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define LIMIT      (1u << 20)
#define READ_MAX   (16u << 20)
#define SEQ_MAX    64
#define LOST(name) ((uint32_t)PODWARD__V1__LOSS_REASON__LOSS_REASON_##name)

static char dir[64], path[96];

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/podward-keep-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/backlog", dir);
	return 0;
}

static void remove_file(const char *name)
{
	char full[160];

	(void)snprintf(full, sizeof(full), "%s/%s", dir, name);
	(void)unlink(full);
}

static int remove_dir(void **state)
{
	(void)state;
	remove_file("backlog");
	remove_file("backlog.lock");
	remove_file("backlog.new");
	return rmdir(dir);
}

/* Every kind of content; differs by n. */
static struct pw_batch *make(uint32_t n)
{
	struct pw_batch_limits limits = PW_BATCH_LIMITS_DEFAULT;
	struct pw_container_def c = {.ref = 3,
		.pre_running = true,
		.id = PW_SLICE_LIT("c\xff"),
		.pod_group = PW_SLICE_LIT("a/b/c/d"),
		.started = {-5}};
	struct pw_process_def p = {
		.ref = 1, .parent_ref = 77, .container = 3, .pid = 9, .exe = 1 + n};
	struct pw_event_row row = {.time = {1000000 + n * 1000},
		.process = 1,
		.object = 1 + n,
		.aux = n,
		.count = n % 3 + 1,
		.ret = -(int32_t)n,
		.kind = PW_EVENT_OPEN,
		.flags = (uint8_t)(n % 2)};
	struct pw_batch *b = NULL;
	char text[32];

	(void)snprintf(text, sizeof(text), "/file/%u", n);
	assert_int_equal(pw_batch_new(&limits, 2, &b), 0);
	assert_int_equal(pw_batch_add_string(b, 1 + n, pw_slice_str(text)), 0);
	assert_int_equal(pw_batch_add_container(b, &c), 0);
	assert_int_equal(pw_batch_add_process(b, &p), 0);
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	row.time.ns += 500000;
	assert_int_equal(pw_batch_add_event(b, &row), 0);
	assert_int_equal(pw_batch_add_exited(b, 500 + n), 0);
	assert_int_equal(pw_batch_add_loss(b, 3, LOST(DECODE), n + 1), 0);
	return b;
}

/* Hash of everything but number and offset. */
static uint64_t content(const struct pw_batch *batch)
{
	struct pw_batch shown = *batch;
	struct pw_arena *arena = NULL;
	struct pw_encoder *e = NULL;
	pw_auto_buf bytes;
	uint64_t hash = 0;

	shown.seq = 0;
	shown.boot_to_wall_ns = 0;
	pw_buf_init(&bytes, 1 << 20);
	assert_int_equal(keep_batch_arena(&arena), 0);
	assert_int_equal(pw_encoder_new(&e), 0);
	assert_int_equal(keep_batch_encode(e, arena, &shown, &bytes), 0);
	hash = pw_hash64(pw_buf_slice(&bytes), 0);
	pw_encoder_free(e);
	pw_arena_free(arena);
	return hash;
}

static int try_open(struct backlog *b, uint8_t instance, uint8_t boot)
{
	struct keep *keep = NULL;
	int r = keep_open(dir, READ_MAX, &keep, NULL);

	backlog_init(b, LIMIT);
	b->instance[0] = instance;
	b->boot_id[0] = boot;
	return r < 0 ? r : backlog_restore(b, keep);
}

static void open_backlog(struct backlog *b, uint8_t instance)
{
	assert_int_equal(try_open(b, instance, 1), 0);
}

static const struct pw_batch *send(struct backlog *b)
{
	const struct pw_batch *next = backlog_take_next(b, 123456789);

	if (next)
		backlog_sent(b);
	return next;
}

static uint64_t errors(const struct backlog *b, enum keep_error error)
{
	struct keep_stats stats;

	keep_get_stats(b->keep, &stats);
	return stats.errors[error];
}

static uint64_t file_size(void)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static uint8_t *read_file(size_t *ret_len)
{
	size_t len = file_size();
	uint8_t *data = malloc(len + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_non_null(data);
	assert_int_equal(read(fd, data, len), len);
	(void)close(fd);
	*ret_len = len;
	return data;
}

static void write_file(const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	(void)close(fd);
}

static void batches_come_back_with_their_numbers_and_content(void **state)
{
	uint64_t expected[6];
	struct backlog b;
	const uint8_t analyzer[16] = {9};
	uint64_t seq = 2;

	(void)state;
	open_backlog(&b, 7);
	for (uint32_t i = 0; i < 6; i++) {
		struct pw_batch *batch = make(i);

		expected[i] = content(batch);
		(void)backlog_push(&b, batch);
	}
	assert_false(backlog_welcome(&b, analyzer));
	backlog_resume(&b, false, 0);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(send(&b));
	assert_int_equal(backlog_ack(&b, 2, 1), 0);
	backlog_done(&b);

	open_backlog(&b, 8);
	assert_int_equal(b.instance[0], 7);
	assert_int_equal(b.restored_batches, 5);
	assert_int_equal(b.next_seq, 4);
	assert_int_equal(b.durable_seq, 1);
	assert_int_equal(b.dict_epoch, 2);
	assert_int_equal(backlog_first_seq(&b), 2);
	assert_int_equal(b.next->seq, 0);
	assert_true(backlog_welcome(&b, analyzer));
	backlog_resume(&b, true, 1);
	for (const struct pw_batch *i = send(&b); i; i = send(&b), seq++) {
		assert_int_equal(i->seq, seq);
		assert_int_equal(i->boot_to_wall_ns, 123456789);
		assert_int_equal(content(i), expected[seq - 1]);
		assert_int_equal(i->processes[0].parent_ref, 77);
		assert_int_equal(i->exited_count, 1);
	}
	assert_int_equal(seq, 7);
	assert_int_equal(backlog_ack(&b, 6, 6), 0);
	backlog_done(&b);
}

static void losses_told_in_a_numbered_batch_come_back_with_it(void **state)
{
	struct backlog b;
	uint64_t sent = 0;

	(void)state;
	open_backlog(&b, 7);
	(void)backlog_push(&b, make(0));
	b.limit_bytes = 1; /* from now on each push drops the one before */
	(void)backlog_push(&b, make(1));
	(void)backlog_push(&b, make(2));
	b.limit_bytes = LIMIT;
	(void)backlog_push(&b, make(3));
	sent = content(send(&b));
	assert_int_equal(b.dropped_batches, 2);
	backlog_done(&b);
	open_backlog(&b, 8);
	assert_int_equal(b.count, 2);
	assert_int_equal(b.first->seq, 1);
	assert_int_equal(content(b.first), sent);
	assert_null(b.lost);
	assert_int_equal(b.next->seq, 0);
	backlog_done(&b);
}

/* A history with everything in it; [n] = content that number n has. */
static void make_history(uint64_t sent[SEQ_MAX])
{
	const uint8_t analyzer[16] = {9};
	struct backlog b;

	open_backlog(&b, 7);
	for (uint32_t i = 0; i < 12; i++) {
		const struct pw_batch *next = NULL;

		if (i == 6)
			b.limit_bytes = 1;
		(void)backlog_push(&b, make(i));
		b.limit_bytes = LIMIT;
		if (i == 4)
			(void)backlog_welcome(&b, analyzer);
		next = i % 4 != 3 ? send(&b) : NULL;
		if (next)
			sent[next->seq] = content(next);
		if (i == 5)
			assert_int_equal(backlog_ack(&b, 3, 2), 0);
	}
	backlog_done(&b);
}

static void any_truncation_gives_a_prefix(void **state)
{
	uint64_t sent[SEQ_MAX] = {0};
	size_t len = 0;
	uint8_t *data = NULL;
	uint64_t last = 0;

	(void)state;
	make_history(sent);
	data = read_file(&len);
	for (size_t cut = 0; cut <= len; cut++) {
		struct backlog b;
		uint64_t before = 0;

		write_file(data, cut);
		open_backlog(&b, 8);
		assert_int_equal(errors(&b, KEEP_ERROR_DAMAGED), 0);
		assert_true(errors(&b, KEEP_ERROR_TORN) <= 1);
		if (b.instance[0] == 7)
			assert_true(b.next_seq >= last);
		last = b.next_seq;
		for (const struct pw_batch *i = b.first; i; i = i->next) {
			assert_true(i->seq == 0 || i->seq > before);
			if (i->seq > 0)
				assert_int_equal(content(i), sent[i->seq]);
			before = i->seq > 0 ? i->seq : UINT64_MAX;
		}
		(void)backlog_push(&b, make(40));
		while (send(&b))
			;
		backlog_done(&b);
	}
	assert_true(last > 5);
	free(data);
}

static void damage_anywhere_is_seen_and_begins_a_new_instance(void **state)
{
	uint64_t sent[SEQ_MAX] = {0};
	size_t len = 0;
	uint8_t *data = NULL;

	(void)state;
	make_history(sent);
	data = read_file(&len);
	for (size_t at = 0; at < len; at++) {
		struct backlog b;

		data[at] ^= 0x41;
		write_file(data, len);
		data[at] ^= 0x41;
		open_backlog(&b, 8);
		assert_int_equal(errors(&b, KEEP_ERROR_DAMAGED), 1);
		assert_int_equal(b.instance[0], 8);
		assert_int_equal(b.next_seq, 1);
		assert_true(b.next == b.first);
		for (const struct pw_batch *i = b.first; i; i = i->next)
			assert_int_equal(i->seq, 0);
		while (send(&b))
			;
		backlog_done(&b);
		open_backlog(&b, 9); /* what was made of it is sound */
		assert_int_equal(errors(&b, KEEP_ERROR_DAMAGED), 0);
		assert_int_equal(b.instance[0], 8);
		backlog_done(&b);
	}
	free(data);
}

static void a_second_collector_is_refused(void **state)
{
	struct backlog b;
	struct keep *other = NULL;
	struct pw_err err = PW_ERR_INIT;

	(void)state;
	open_backlog(&b, 7);
	assert_int_equal(keep_open(dir, READ_MAX, &other, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "another collector"));
	assert_non_null(strstr(err.msg, dir));
	backlog_done(&b);
	open_backlog(&b, 7);
	backlog_done(&b);
}

static void what_is_no_file_of_ours_is_refused_or_begun_anew(void **state)
{
	struct backlog b;
	struct keep *keep = NULL;

	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(keep_open(dir, READ_MAX, &keep, NULL), -ELOOP);
	remove_file("backlog");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(keep_open(dir, READ_MAX, &keep, NULL), -EINVAL);
	remove_file("backlog");
	write_file("The quick brown fox jumps over the lazy dog", 43);
	open_backlog(&b, 7);
	assert_int_equal(errors(&b, KEEP_ERROR_DAMAGED), 1);
	assert_int_equal(b.instance[0], 7);
	backlog_done(&b);
}

static void after_a_reboot_the_batches_are_told_as_lost(void **state)
{
	struct backlog b;

	(void)state;
	open_backlog(&b, 7);
	for (uint32_t i = 0; i < 3; i++)
		(void)backlog_push(&b, make(0));
	(void)send(&b);
	backlog_done(&b);
	assert_int_equal(try_open(&b, 8, 2), 0);
	assert_int_equal(b.instance[0], 8);
	assert_int_equal(b.count, 0);
	assert_int_equal(errors(&b, KEEP_ERROR_OTHER_BOOT), 3);
	assert_non_null(b.lost);
	assert_int_equal(b.lost->losses[0].count, 6);
	backlog_done(&b);
}

static void the_file_is_emptied_and_written_anew_in_time(void **state)
{
	struct backlog b;
	uint64_t most = 0;

	(void)state;
	open_backlog(&b, 7);
	for (uint32_t i = 0; i < 2000; i++) {
		const struct pw_batch *next = NULL;

		(void)backlog_push(&b, make(i % 32));
		next = send(&b);
		assert_int_equal(backlog_ack(&b, next->seq, next->seq), 0);
		most = file_size() > most ? file_size() : most;
	}
	assert_true(most < 70000);
	/* Nobody takes them: what was dropped goes out of the file too. */
	for (uint32_t i = 0; i < 2000; i++)
		(void)backlog_push(&b, make(i % 32));
	assert_true(b.dropped_batches > 0);
	assert_true(file_size() <= 2 * LIMIT);
	assert_true(b.dead_bytes <= LIMIT);
	backlog_done(&b);
	open_backlog(&b, 8);
	assert_int_equal(errors(&b, KEEP_ERROR_DAMAGED), 0);
	assert_int_equal(b.next_seq, 2001);
	assert_true(b.bytes <= LIMIT);
	backlog_done(&b);
}

static void a_full_disk_costs_the_file_and_not_the_batches(void **state)
{
	struct rlimit old, small = {.rlim_cur = 2000};
	struct backlog b;

	(void)state;
	(void)sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	open_backlog(&b, 7);
	(void)backlog_push(&b, make(0));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint32_t i = 1; i < 20; i++)
		(void)backlog_push(&b, make(i));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(errors(&b, KEEP_ERROR_WRITE), 1);
	assert_false(keep_works(b.keep));
	assert_int_equal(file_size(), 0);
	for (uint64_t seq = 1; seq <= 20; seq++)
		assert_int_equal(send(&b)->seq, seq);
	backlog_done(&b);
	open_backlog(&b, 8); /* stale numbers are not taken for the present ones */
	assert_int_equal(b.count, 0);
	assert_int_equal(b.instance[0], 8);
	backlog_done(&b);
}

static int restore_once(void *ctx)
{
	struct backlog b;
	struct keep *keep = NULL;
	int r = keep_open(dir, READ_MAX, &keep, NULL);

	(void)ctx;
	if (r < 0)
		return r;
	backlog_init(&b, LIMIT);
	b.boot_id[0] = 1;
	r = backlog_restore(&b, keep);
	if (r == 0)
		assert_int_equal(b.count, *(uint32_t *)ctx);
	backlog_done(&b);
	return r;
}

static void without_memory_nothing_is_cut(void **state)
{
	uint64_t sent[SEQ_MAX] = {0};
	struct backlog b;
	uint32_t count = 0;

	(void)state;
	make_history(sent);
	open_backlog(&b, 8);
	count = b.count;
	backlog_done(&b);
	assert_true(pw_oom_loop(restore_once, &count) > 20);
	open_backlog(&b, 8);
	assert_int_equal(b.count, count);
	assert_int_equal(b.instance[0], 7);
	backlog_done(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(batches_come_back_with_their_numbers_and_content),
		TEST(losses_told_in_a_numbered_batch_come_back_with_it),
		TEST(any_truncation_gives_a_prefix),
		TEST(damage_anywhere_is_seen_and_begins_a_new_instance),
		TEST(a_second_collector_is_refused),
		TEST(what_is_no_file_of_ours_is_refused_or_begun_anew),
		TEST(after_a_reboot_the_batches_are_told_as_lost),
		TEST(the_file_is_emptied_and_written_anew_in_time),
		TEST(a_full_disk_costs_the_file_and_not_the_batches),
		TEST(without_memory_nothing_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
