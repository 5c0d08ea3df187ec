/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level A: security hooks are attached where they work and leave notes; the events stay one for
 * each deed, and tell what the kernel acted on, whatever user memory says meanwhile.
 */
#include "collector/tests/kernel_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

static struct rig rig;

static int setup(void **state)
{
	char path[128];

	(void)state;
	rig_open(&rig, &(struct probe_options){0});
	assert_int_equal(mkdir(rig_path(&rig, "x", path, sizeof(path)), 0700), 0);
	assert_int_equal(mkdir(rig_path(&rig, "y", path, sizeof(path)), 0700), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static bool is_noted(uint32_t kind)
{
	return rig.maps->noted_kinds & ABI_KIND_BIT(kind);
}

/* --- which are attached --- */

struct forms {
	unsigned lsm, fentry;
};

static int count_form(void *ctx, const struct probe_hook *hook)
{
	struct forms *f = ctx;

	f->lsm += strncmp(hook->hook, "lsm/", 4) == 0 && hook->attached;
	f->fentry += strncmp(hook->hook, "fentry/", 7) == 0 && hook->attached;
	return 0;
}

static bool bpf_is_a_module(void)
{
	char text[256] = "";
	FILE *f = fopen("/sys/kernel/security/lsm", "re");
	bool found = f && fgets(text, sizeof(text), f) && strstr(text, "bpf");

	if (f)
		(void)fclose(f);
	return found;
}

static void hooks_are_there_at_their_level_and_in_the_form_that_is_called(void **state)
{
	struct forms f = {0};

	(void)state;
	assert_int_equal(probe_each_hook(rig.source, count_form, &f), 0);
	if (rig_level() == PROBE_LEVEL_B) {
		assert_int_equal(f.lsm + f.fentry, 0);
		assert_int_equal(rig.maps->noted_kinds, 0);
		return;
	}
	assert_true(is_noted(ABI_KIND_OPEN) && is_noted(ABI_KIND_RENAME));
	/* A hook in both forms would be told twice. */
	assert_in_range(f.lsm + f.fentry, 16, 32);
	if (bpf_is_a_module())
		assert_true(f.lsm >= 16);
	else
		assert_int_equal(f.lsm, 0); /* it would attach, and never be called */
}

static void a_level_that_is_asked_for_is_had_or_refused_with_words(void **state)
{
	struct probe_options options = {.level = PROBE_LEVEL_A};
	struct pw_err err = PW_ERR_INIT;
	struct source *source = NULL;
	int r = probe_open(&options, &source, &err);

	(void)state;
	if (r == 0) {
		assert_true(probe_maps(source)->noted_kinds & ABI_KIND_BIT(ABI_KIND_OPEN));
		source_close(source);
		return;
	}
	assert_true(rig_level() == PROBE_LEVEL_B); /* here they do not work at all */
	assert_int_equal(r, -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "hook level a"));
}

/* --- one record for each deed --- */

#define ROUNDS 50

static int run_rounds(void *ctx)
{
	(void)ctx;
	if (chdir(rig.dir) < 0)
		return 98;
	for (int i = 0; i < ROUNDS; i++) {
		int fd = open("x/new", O_CREAT | O_TRUNC | O_RDWR, 0600);

		if (fd < 0 || fchmod(fd, 0640) < 0 || close(fd) < 0 ||
			rename("x/new", "y/new") < 0 || link("y/new", "y/two") < 0 ||
			unlink("y/new") < 0 || unlink("y/two") < 0 || mkdir("x/d", 0700) < 0 ||
			rmdir("x/d") < 0)
			return 97;
		if (mkdir("none/d", 0700) == 0 || unlink("x/none") == 0)
			return 96; /* fail in front of the hooks: nobody's refusal, and no note */
	}
	return 0;
}

static void each_deed_is_one_record(void **state)
{
	static const struct {
		uint32_t kind;
		unsigned each_round;
	} rows[] = {
		{ABI_KIND_CHMOD, 1},
		{ABI_KIND_RENAME, 1},
		{ABI_KIND_LINK, 1},
		{ABI_KIND_REMOVE, 3},
		{ABI_KIND_MKDIR, 1},
	};
	struct abi_counters before = rig_counters(&rig), after;
	pid_t pid = rig_run(&rig, run_rounds, NULL);

	(void)state;
	after = rig_counters(&rig);
	for (size_t i = 0; i < PW_COUNT(rows); i++) {
		uint32_t kind = rows[i].kind;

		assert_int_equal(rig_count(&rig, kind, pid), rows[i].each_round * ROUNDS);
		assert_int_equal(after.seen[kind] - before.seen[kind],
			after.submitted[kind] - before.submitted[kind]);
	}
	/* Each new file is another object under the same name, whose opens are all told. */
	assert_int_equal(after.seen[ABI_KIND_OPEN] - before.seen[ABI_KIND_OPEN],
		after.submitted[ABI_KIND_OPEN] + after.folded[ABI_KIND_OPEN] -
			before.submitted[ABI_KIND_OPEN] - before.folded[ABI_KIND_OPEN]);
	rig_clear(&rig);
}

/* --- words that change while the kernel reads them --- */

#define SWAPS 20000

struct swap {
	_Atomic int stop;
	char path[8];
};

static uint8_t *truth; /* which one the n-th call acted on: 'x', 'y' */

static void *run_swapper(void *ctx)
{
	struct swap *swap = ctx;

	for (unsigned i = 0; !swap->stop; i++)
		swap->path[0] = i & 1 ? 'x' : 'y';
	return NULL;
}

/* A mode that neither has: who has it after the call is what the kernel acted on. */
static mode_t other_mode(const mode_t has[2])
{
	mode_t mode = 0700;

	while (mode == has[0] || mode == has[1])
		mode++;
	return mode;
}

static int run_swapped(void *ctx)
{
	static struct swap swap = {.path = "x"};
	mode_t has[2] = {0700, 0700}; /* as they were made */
	pthread_t thread;

	(void)ctx;
	if (chdir(rig.dir) < 0 || pthread_create(&thread, NULL, run_swapper, &swap) != 0)
		return 98;
	for (unsigned i = 0; i < SWAPS; i++) {
		mode_t mode = other_mode(has);
		struct stat x;

		if (chmod(swap.path, mode) < 0 || stat("x", &x) < 0)
			return 97;
		truth[i] = (x.st_mode & 07777) == mode ? 'x' : 'y';
		has[truth[i] == 'y'] = mode;
	}
	swap.stop = 1;
	(void)pthread_join(thread, NULL);
	return 0;
}

struct swapped {
	size_t seen;
	uint8_t told[SWAPS];
};

static int note_swapped(void *ctx, const void *record, size_t len)
{
	const struct abi_call *c = record;
	struct swapped *s = ctx;
	struct pw_slice path;

	(void)len;
	if (c->header.kind != ABI_KIND_CHMOD)
		return 0;
	path = rig_span(c, c->path.len ? c->path : c->base);
	assert_true(s->seen < SWAPS && path.len > 0);
	s->told[s->seen++] = path.ptr[path.len - 1];
	return 0;
}

static void what_was_changed_is_told_though_the_words_were_swapped(void **state)
{
	static struct swapped s;
	size_t wrong = 0;
	pid_t pid;

	(void)state;
	if (!is_noted(ABI_KIND_CHMOD)) {
		print_message("    not at this level\n");
		return;
	}
	truth = mmap(NULL, SWAPS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(truth != MAP_FAILED);
	pid = rig_start(&rig, run_swapped, NULL);
	assert_int_equal(rig_watch(&rig, pid, note_swapped, &s), 0);
	assert_int_equal(s.seen, SWAPS);
	for (size_t i = 0; i < SWAPS; i++)
		wrong += s.told[i] != truth[i];
	assert_int_equal(wrong, 0);
	(void)munmap(truth, SWAPS);
}

/* --- notes go with their thread --- */

#define EXECS 300 /* more than there is room for notes with strings */

static void *run_exec(void *ctx)
{
	(void)ctx;
	(void)execl("/bin/true", "true", (char *)NULL);
	return NULL;
}

static int run_thread_exec(void *ctx)
{
	pthread_t thread;

	(void)ctx;
	if (pthread_create(&thread, NULL, run_exec, NULL) != 0)
		return 98;
	(void)pthread_join(thread, NULL);
	return 97; /* the thread has become the process */
}

static void threads_that_exec_leave_no_note_behind(void **state)
{
	(void)state;
	for (int i = 0; i < EXECS; i++)
		(void)rig_run(&rig, run_thread_exec, NULL);
	assert_int_equal(rig_count(&rig, ABI_KIND_EXEC, 0), EXECS);
	assert_int_equal(rig_counters(&rig).read_failures[ABI_READ_NOTE], 0);
	rig_clear(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hooks_are_there_at_their_level_and_in_the_form_that_is_called),
		cmocka_unit_test(a_level_that_is_asked_for_is_had_or_refused_with_words),
		cmocka_unit_test(each_deed_is_one_record),
		cmocka_unit_test(what_was_changed_is_told_though_the_words_were_swapped),
		cmocka_unit_test(threads_that_exec_leave_no_note_behind),
	};

	rig_require();
	return cmocka_run_group_tests(tests, setup, teardown);
}
